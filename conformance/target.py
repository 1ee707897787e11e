"""What the suite needs to know of a target; how one is made and reached is the business of `fixtures`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import attrs

from conformance.driver import Guest
from conformance.kinds import Kind
from conformance.wire import Wire


class TargetError(Exception):
    """The target cannot be tested at all; the text is one clear line."""


@attrs.frozen
class Connection:
    """An open way to a target's API.

    Attributes:
        address: where it is, for people.
        new_wire: makes a way of its own to the target, with credentials; the caller closes it.
        epoch: wall-clock time of the loop's second zero when the target's time is virtual; None for a live target.
        timing: settings the target declares, by `Timing` field; the rest follows from its version.
        curl: options that make `curl` reach it, with secrets as shell variables.
        ended: returns why, in one line, when the target stops before the connection is left; for targets that live and
            die with the run. What was created in one that has ended needs no cleaning up.
        kubeconfig: the text of a kubeconfig with which others get in as the suite does, wherever it lies; None where
            there is no way in for other processes.
        guest: agents that join the target, to play the node that is lost; None simulates that one, too.
    """

    address: str
    new_wire: Callable[[], Wire]
    epoch: datetime | None = None
    timing: Mapping[str, float] = attrs.field(factory=dict)
    curl: str = ""
    ended: Callable[[], Awaitable[str]] | None = None
    kubeconfig: Callable[[], str] | None = None
    guest: Guest | None = None


class Target(Protocol):
    """A master to be tested.

    Attributes:
        name: for people, e.g. `reference`.
        repeat: the pytest options that select it again.
        virtual: whether its time only jumps, and all of it is in one process: then it may be any process.
    """

    name: str
    repeat: tuple[str, ...]
    virtual: bool

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop a run against it lives on: one whose time jumps, or a real one."""
        ...

    def open(self, seed: int) -> AbstractAsyncContextManager[Connection]:
        """Makes it reachable, starting it if need be; leaving the context ends what was started.

        Raises:
            TargetError: it cannot be reached or started.
        """
        ...


@attrs.frozen
class Facts:
    """What the target said of itself when the run began.

    Attributes:
        version: as `/version` gives it, e.g. `v1.20.2`.
        minor: the 20 of 1.20.
        resources: what discovery lists, as `group/version/resource`; the core group is `v1/pods`.
    """

    version: str
    minor: int
    resources: frozenset[str] = frozenset()

    @property
    def era(self) -> str:
        """`1.5`, `1.20` or `1.36`: whose behaviour is the yardstick."""
        if self.minor < 13:
            return "1.5"
        return "1.20" if self.minor < 25 else "1.36"

    def serves(self, resource: str) -> bool:
        """Whether discovery lists a resource, given as `v1/pods` or as `coordination.k8s.io/v1/leases`."""
        return resource in self.resources

    def served(self, kind: Kind) -> Kind | None:
        """The newest version of a kind that discovery lists; None when there is none."""
        return next((version for version in kind.versions if self.serves(version.resource)), None)
