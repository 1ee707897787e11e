"""What a long run with many agents says at its end."""

from __future__ import annotations

from bench.attendance import Attendance
from bench.hollow import MIB, Cost, processes_of, summary


class Process:
    def __init__(self, *words: str) -> None:
        self.words = list(words)

    def cmdline(self) -> list[str]:
        return self.words


def attended(renewals: int, gap: float, ready_at: float | None = 1.0) -> Attendance:
    return Attendance(renewals=renewals, longest_gap=gap, ready_at=ready_at, ready="True")


def test_the_figures_are_those_of_all_nodes_together():
    nodes = [attended(180, 10.4), attended(178, 12.6, ready_at=3.0), attended(0, 0, ready_at=None)]
    nodes[0].transitions.append((500.0, "Unknown"))
    lines = summary(nodes, 1800, {"agents": Cost(3, 61.25, 300 * MIB, 60 * MIB)})
    assert lines == [
        "3 agents for 30.0 minutes",
        "2 were Ready, the last after 3.0 s; 1 changes of Ready since",
        "358 renewals of Leases, 0 to 180 a node; longest gap 12.6 s",
        "agents: 3 processes, 61.2 s of CPU, 300 MiB resident, 60 MiB of it private",
    ]


def test_our_processes_are_told_apart_by_what_they_run():
    keeper, agent = Process("python", "-I", "/x/keeper.py", "/tmp/a"), Process("kubemark", "--morph=kubelet")
    master, gone = Process("python", "-m", "refimpl", "apiserver"), Process()
    found = processes_of([keeper, agent, master, gone])
    assert found == {"agents": [agent, gone], "keepers": [keeper], "master": [master]}
