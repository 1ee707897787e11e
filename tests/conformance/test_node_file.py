"""A node file, or a command line, says what an agent is; whatever is wrong with it is told in lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.driver import AgentOptions
from conformance.target import TargetError
from conformance.verdict import Unsupported
from fixtures.agents import kubelet, nodefile
from fixtures.agents.command import CommandDriver, Ports
from fixtures.agents.leash import Leash
from fixtures.agents.master import Access, LiveMaster
from fixtures.agents.nodefile import AgentKind

FILE = """
command = "agent --kubeconfig {kubeconfig} '--selector={a=b}' --name {node}"
version = "v1.30.2"
abilities = ["has_lease"]

[given]
labels = "--labels={labels}"
flag = "--{name}={value}"

[timing]
node-lease-duration-seconds = 8

[environment]
PORT = "{port}"
"""


class NoMaster(LiveMaster):
    """Lets everybody in and serves nobody."""

    def __init__(self) -> None:
        pass

    def admit(self, node: str, how: nodefile.Credentials = "certificate") -> Access:
        return Access("https://127.0.0.1:1", None, token=f"token-{node}")


class Started(Leash):
    """Remembers what would be started."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.argv: list[str] = []
        self.env: dict[str, str] = {}

    async def start(self, argv, env=None) -> None:
        self.argv, self.env = list(argv), dict(env)


def kind(tmp_path: Path, text: str = FILE) -> AgentKind:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return nodefile.read(path)


def driver(tmp_path: Path, of: AgentKind) -> tuple[CommandDriver, Started]:
    leash = Started(tmp_path)
    return CommandDriver(of, NoMaster(), leash, Ports()), leash


def test_a_file_says_what_an_agent_is(tmp_path: Path) -> None:
    facts = kind(tmp_path).facts()
    assert (facts.version, facts.minor, facts.profiles) == ("v1.30.2", 30, {"core"})
    assert facts.abilities == {"has_lease", "takes_labels", "kubelet_flags"}
    assert kind(tmp_path).timing == {"node_lease_duration_seconds": 8}


async def test_the_command_line_is_filled_with_what_the_suite_gives(tmp_path: Path) -> None:
    drives, leash = driver(tmp_path, kind(tmp_path))
    await drives.start(AgentOptions("N1", labels={"a": "b", "c": "d"}, more={"max-pods": "3"}))
    config = tmp_path / "kubeconfig"
    assert leash.argv == [
        *("agent", "--kubeconfig", str(config), "--selector={a=b}", "--name", "N1"),
        *("--labels=a=b,c=d", "--max-pods=3"),
    ]
    assert leash.env["PORT"].isdigit()
    assert "token-n1" in config.read_text()


@pytest.mark.parametrize(
    "options",
    [AgentOptions("n", taints=({"key": "a", "effect": "NoSchedule"},)), AgentOptions("n", register_node=False)],
)
async def test_what_has_no_place_on_the_command_line_is_unsupported(tmp_path: Path, options: AgentOptions) -> None:
    drives, _ = driver(tmp_path, kind(tmp_path))
    with pytest.raises(Unsupported, match="no place for"):
        await drives.start(options)


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ('version = "v1.30"', "no command"),
        ('command = "a"\nversion = "new"', "'new' is no version"),
        ('command = "a"\nabilities = ["can_fly"]', "there is no 'can_fly'"),
        ('command = "a"\nprofiles = ["best"]', "there is no 'best'"),
        ('command = "a"\ncolour = "blue"', "'colour'"),
        ('command = "a"\n[given]\nlunch = "x"', "'lunch'"),
        ('command = "a"\n[timing]\nlunch = 1', "unknown timing setting"),
        ('command = "a \'b"', "quotation"),
        ("command =", "node.toml"),
    ],
)
def test_every_defect_of_a_file_is_named(tmp_path: Path, text: str, defect: str) -> None:
    with pytest.raises(TargetError, match=defect):
        kind(tmp_path, text)


def test_a_real_kubelet_gets_its_timings_and_no_guards_by_file(tmp_path: Path) -> None:
    settings = {"node_lease_duration_seconds": 8.0, "node_status_update_frequency": 2.0}
    old = kubelet.configuration(20, settings, tmp_path)
    new = kubelet.configuration(36, settings, tmp_path)
    assert (old["nodeLeaseDurationSeconds"], old["nodeStatusUpdateFrequency"]) == (8, "2s")
    assert "failCgroupV1" not in old
    assert new["failCgroupV1"] is False
    assert new["staticPodPath"] == str(tmp_path)
    whole = kubelet.real_kubelet(Path("/usr/bin/kubelet"), "v1.26.0", ("--fail-swap-on=false",), settings)
    assert "--container-runtime=remote" in whole.command
    assert whole.command[-1] == "--fail-swap-on=false"
