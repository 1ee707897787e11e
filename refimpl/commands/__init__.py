"""The command line: `node-contract COMMAND`.

    up                  a whole cluster: one master, some nodes, each component a process
    apiserver           the API server alone
    controller-manager  the controllers alone
    scheduler           the scheduler alone
    kubelet             one node alone
    kube-proxy          the service proxy of one node alone
    kubeconfig          credentials for somebody else

Each component command runs until SIGINT or SIGTERM, says in one line on stdout where it listens or what it joined, and
logs to stderr. Other distributions' commands are found through the entry point group `node_contract.commands`: a
function that takes the argument list and returns the exit status.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

Command = Callable[[Sequence[str]], int]

_OWN = {
    "up": "a whole cluster: one master, some nodes, each component a process",
    "apiserver": "the API server alone",
    "controller-manager": "the controllers alone",
    "scheduler": "the scheduler alone",
    "kubelet": "one node alone",
    "kube-proxy": "the service proxy of one node alone",
    "kubeconfig": "credentials for somebody else",
}
_GROUP = "node_contract.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command named first; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0 if words else 2
    name, rest = words[0], words[1:]
    command = _find(name)
    if command is None:
        print(f"node-contract: no command {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    return command(rest)


def _find(name: str) -> Command | None:
    if name in _OWN:
        module = import_module(f"refimpl.commands.{name.replace('-', '_')}")
        own: Command = module.main
        return own
    from importlib.metadata import entry_points

    for entry in entry_points(group=_GROUP, name=name):
        foreign: Command = entry.load()
        return foreign
    return None


def _usage() -> str:
    from importlib.metadata import entry_points

    lines = ["usage: node-contract COMMAND [flags]", "", "commands:"]
    lines += [f"  {name:20}{text}" for name, text in _OWN.items()]
    lines += [f"  {entry.name:20}(from {entry.value.split(':')[0]})" for entry in sorted(entry_points(group=_GROUP))]
    lines += ["", "node-contract COMMAND --help tells the flags."]
    return "\n".join(lines)
