"""What a case gets to read: the finished part of a history, with the target's timing and facts."""

from __future__ import annotations

import attrs

from conformance.naming import Naming
from conformance.record.history import History, Mark, Story
from conformance.target import Facts
from conformance.timing import Timing
from conformance.verdict import NotExercised


@attrs.frozen
class Seen:
    """One scenario, over and written down.

    Objects are asked for by the role they played (`victim`, `keeper`), not by their names.

    Attributes:
        naming: turns roles into names.
        history: what was seen, up to the scenario's end.
        timing: the target's timing.
        facts: what the target said of itself.
    """

    naming: Naming
    history: History
    timing: Timing
    facts: Facts

    def name(self, role: str) -> str:
        """The name of the object that played a role."""
        return self.naming.name(role)

    def story(self, kind: str, role: str) -> Story:
        """What happened to the object of that kind and role."""
        return self.history.story(kind, self.name(role))

    def node(self, role: str) -> Story:
        """What happened to a node."""
        return self.story("Node", role)

    def pod(self, role: str) -> Story:
        """What happened to a pod."""
        return self.story("Pod", role)

    def pods_of(self, role: str) -> tuple[Story, ...]:
        """The pods that a controller made for the object of that role, in order of creation."""
        prefix = self.name(role) + "-"
        return tuple(story for story in self.history.stories("Pod") if story.name.startswith(prefix))

    def mark(self, name: str) -> Mark:
        """A point the scenario passed.

        Raises:
            NotExercised: it never got there.
        """
        for mark in self.history.marks:
            if mark.name == name:
                return mark
        raise NotExercised(f"the scenario never came to the point '{name}'")
