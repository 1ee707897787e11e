"""What a case on a node agent gets to read, and facts about the agent's requests."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs

from conformance.agent_timing import AgentTiming
from conformance.driver import AgentFacts
from conformance.naming import Naming
from conformance.record.history import AGENT, Exchange, History, Mark, Story
from conformance.verdict import NotExercised, Unsupported


@attrs.frozen
class AgentSeen:
    """One scenario with an agent, over and written down.

    Attributes:
        naming: names of the scenario.
        history: what was seen; `history.exchanges` holds the agent's requests.
        timing: the agent's timing.
        facts: what its driver declares.
    """

    naming: Naming
    history: History
    timing: AgentTiming
    facts: AgentFacts

    @property
    def node_name(self) -> str:
        """The agent's node."""
        return self.facts.node or self.naming.name("node")

    @property
    def node(self) -> Story:
        """What happened to the Node, as the master saw it."""
        return self.history.story("Node", self.node_name)

    @property
    def lease(self) -> Story:
        """What happened to the Lease."""
        return self.history.story("Lease", self.node_name)

    def pod(self, role: str) -> Story:
        """What happened to a pod."""
        return self.history.story("Pod", self.naming.name(role))

    def mark(self, name: str) -> Mark:
        """A point the scenario passed.

        Raises:
            NotExercised: it never got there.
        """
        for mark in self.history.marks:
            if mark.name == name:
                return mark
        raise NotExercised(f"the scenario never came to the point '{name}'")

    def marks(self, name: str) -> tuple[Mark, ...]:
        """All passes of a point, at least one.

        Raises:
            NotExercised: the scenario never got there.
        """
        self.mark(name)
        return tuple(mark for mark in self.history.marks if mark.name == name)

    def needs(self, ability: str) -> None:
        """Leaves an agent alone that does not do what is judged.

        Raises:
            Unsupported: its driver does not declare the ability.
        """
        if ability not in self.facts.abilities:
            raise Unsupported(f"the agent's driver does not declare {ability}")

    def requests(self, method: str, path: str) -> tuple[Exchange, ...]:
        """The agent's requests of a method (or several, as `PUT|PATCH`) whose whole path matches an expression."""
        methods, whole = method.split("|"), re.compile(path)
        return tuple(
            x
            for x in self.history.exchanges
            if x.who == AGENT and x.method in methods and whole.fullmatch(x.path.partition("?")[0])
        )

    def node_path(self, subresource: str = "") -> str:
        """Path of the agent's Node, as an expression."""
        return re.escape(f"/api/v1/nodes/{self.node_name}") + (f"/{subresource}" if subresource else "")

    def lease_path(self) -> str:
        """Path of the agent's Lease, as an expression."""
        return re.escape(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.node_name}")


def sent_body(exchange: Exchange) -> Any:
    """What a request carried, decoded; None when it was no JSON."""
    try:
        return json.loads(exchange.request)
    except ValueError:
        return None
