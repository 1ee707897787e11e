"""Rates and CPU seconds, of one server or of two in turn."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from statistics import median

import attrs
import psutil

from bench.wire import Target

CONNECTIONS = 32
"""Over which single objects are read and written."""


@attrs.frozen
class Server:
    """A running API server.

    Attributes:
        name: in the table.
        target: how to reach it.
        pids: its processes (those of its etcd too); empty when unknown.
    """

    name: str
    target: Target
    pids: tuple[int, ...] = ()

    def cpu(self) -> float:
        """CPU seconds used so far."""
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.pids)

    def memory(self) -> int:
        """Resident bytes."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.pids)

    def memories(self) -> Iterator[tuple[str, float]]:
        """Resident MiB by process."""
        for pid in self.pids:
            process = psutil.Process(pid)
            yield process.name(), process.memory_info().rss / 2**20


@attrs.frozen
class Sample:
    """One measurement of one server.

    Attributes:
        value: what is compared.
        cpu: CPU milliseconds of the server an operation; 0 when unknown.
        notes: further figures, by name.
    """

    value: float
    cpu: float = 0.0
    notes: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen
class Benchmark:
    """Something to measure.

    Attributes:
        name: on the command line.
        unit: of the value.
        measure: takes one sample of a server, for so many seconds.
        more_is_better: whether a greater value is the better one.
        goal: wanted ratio of ours to the other's, the better way round.
        once: further rounds would show nothing new.
    """

    name: str
    unit: str
    measure: Callable[[Server, float], Awaitable[Sample]]
    more_is_better: bool = True
    goal: float = 1.0
    once: bool = False


class Watch:
    """Counts operations over a time, and what they cost the server."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._cpu = server.cpu()
        self._began = time.perf_counter()
        self._end = self._began + seconds
        self.count = 0

    @property
    def running(self) -> bool:
        """Whether the time is not over yet."""
        return time.perf_counter() < self._end

    def sample(self, seconds: float = 0.0, **notes: float) -> Sample:
        """The rate until now, or over so many seconds of that time."""
        taken = seconds or time.perf_counter() - self._began
        cpu = (self._server.cpu() - self._cpu) / max(self.count, 1) * 1000
        return Sample(self.count / taken, cpu, notes)


async def in_turn(benchmark: Benchmark, servers: Sequence[Server], rounds: int, duration: float) -> list[list[Sample]]:
    """Samples A B A B; one list a server."""
    taken: list[list[Sample]] = [[] for _ in servers]
    for _ in range(rounds):
        for server, samples in zip(servers, taken, strict=True):
            samples.append(await benchmark.measure(server, duration))
    return taken


def report(benchmark: Benchmark, servers: Sequence[Server], taken: Sequence[Sequence[Sample]]) -> Iterator[str]:
    """Lines about one benchmark: medians, ratios."""
    values = [median(sample.value for sample in samples) for samples in taken]
    costs = [median(sample.cpu for sample in samples) for samples in taken]
    for server, samples, value, cost in zip(servers, taken, values, costs, strict=True):
        every = " ".join(f"{sample.value:.4g}" for sample in samples)
        cpu = f", CPU {cost:.3g} ms each" if cost else ""
        names = samples[0].notes
        notes = "".join(f", {name} {median(sample.notes[name] for sample in samples):.3g}" for name in names)
        yield f"{benchmark.name:10} {server.name:12} {value:10.4g} {benchmark.unit}{cpu}{notes}  [{every}]"
    if len(servers) == 2:
        ratio = values[0] / values[1] if benchmark.more_is_better else values[1] / values[0]
        cpu = f"; CPU {costs[1] / costs[0]:.1f} times less" if all(costs) else ""
        verdict = "reached" if ratio >= benchmark.goal else f"missed by {1 - ratio / benchmark.goal:.0%}"
        yield f"{benchmark.name:10} ratio {ratio:.2f}{cpu}; goal {benchmark.goal:g} {verdict}"
