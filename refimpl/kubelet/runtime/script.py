"""What a simulated container does: a few shell commands, so that one pod behaves alike in every runtime.

    sleep 5    exit 3    true    false    echo text    touch FILE    rm FILE    cat FILE    test -e FILE
    trap '' TERM         trap 'exit 7' TERM             while true; do ...; done
    sh -c 'sleep 2; exit 1'        (also with && and line breaks)

Everything else, and an image without command, runs until it is told to stop.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

import attrs

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_SEPARATOR: Final = re.compile(r"""('[^']*'|"[^"]*")|;|&&|\n""")
_LOOP: Final = re.compile(r"^\s*(?P<before>.*?)\bwhile\s+(?:true|:)\s*;\s*do\b(?P<body>.*)\bdone\b\s*;?\s*$", re.DOTALL)
_DEFAULT_TERM: Final = 143


@attrs.frozen
class Step:
    """One command.

    Attributes:
        verb: `sleep`, `exit`, `echo`, `touch`, `rm`, `check`, `trap` or `wait` (for ever).
        argument: seconds, exit code, text, file, or the trap's exit code (empty: the signal is ignored).
    """

    verb: str
    argument: str = ""


@attrs.frozen
class Program:
    """What a container does from its start.

    Attributes:
        steps: what is done once; afterwards the container exits, unless there is a loop.
        loop: what is done again and again then.
        on_term: exit code when it is told to stop.
    """

    steps: tuple[Step, ...] = (Step("wait"),)
    loop: tuple[Step, ...] = ()
    on_term: int = _DEFAULT_TERM


def program(command: Sequence[str]) -> Program:
    """Reads a container's argv; none means the image's own program, which ends well when told to."""
    if not command:
        return Program(on_term=0)
    script = shell_script(command)
    if script is None:
        step = _step(command[0].rpartition("/")[2], list(command[1:]))
        return Program(() if step is None else (step,))
    loop = _LOOP.match(script)
    if loop is None:
        return Program(_commands(script))
    return Program(_commands(loop["before"]), _commands(loop["body"]))


def shell_script(command: Sequence[str]) -> str | None:
    """The script of `sh -c SCRIPT`; None for other commands."""
    if len(command) >= 3 and command[0].rpartition("/")[2] in _SHELLS and command[1].endswith("c"):
        return command[2]
    return None


def _commands(script: str) -> tuple[Step, ...]:
    """The steps of a script."""
    return tuple(step for part in _parts(script) if (step := _command(part.strip())) is not None)


def _parts(script: str) -> list[str]:
    """The commands of a script: separated by `;`, `&&` or line breaks outside quotes."""
    parts, start = [], 0
    for match in _SEPARATOR.finditer(script):
        if match[1] is None:
            parts.append(script[start : match.start()])
            start = match.end()
    return [*parts, script[start:]]


def _command(text: str) -> Step | None:
    try:
        words = shlex.split(text)
    except ValueError:
        return Step("wait")
    return _step(words[0].rpartition("/")[2], words[1:]) if words else None


def _step(verb: str, arguments: list[str]) -> Step | None:
    """The step of a command; None for one that does nothing."""
    step: Step | None = Step("wait")
    match verb, arguments:
        case "sleep", [seconds] if _is_number(seconds):
            step = Step("sleep", seconds)
        case "exit", [code]:
            step = Step("exit", code)
        case "false", []:
            step = Step("exit", "1")
        case "true" | ":" | "wait", _:
            step = None
        case "echo", _:
            step = Step("echo", " ".join(arguments))
        case "touch" | "rm", [*_, file]:
            step = Step(verb, file)
        case "cat" | "test" | "ls", [*_, file]:
            step = Step("check", file)
        case "trap", [action, *_]:
            step = Step("trap", _exit_code(action))
    return step


def _exit_code(action: str) -> str:
    """The exit code of a trap's action; empty when the action does not end the shell."""
    for part in reversed(action.split(";")):
        words = part.split()
        if words[:1] == ["exit"]:
            return words[1] if len(words) > 1 else "0"
    return ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None
