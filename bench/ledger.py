"""What a server has said: which writes it acknowledged, at which revision. Everything it says later must agree."""

from __future__ import annotations

import attrs

Mark = str
"""What a write leaves in its object, different for each write; empty for a deletion."""


@attrs.define
class Object:
    """What is known of one object.

    Attributes:
        mark: of the last acknowledged write; empty when there is no object.
        revision: of that write; 0 when not told.
        unanswered: marks of later writes that may have happened.
    """

    mark: Mark = ""
    revision: int = 0
    unanswered: list[Mark] = attrs.field(factory=list)


@attrs.define
class Ledger:
    """The books.

    Attributes:
        newest: highest revision ever shown.
        faults: sentences about what was untrue.
        acknowledged: writes that were answered with success.
        unanswered: writes that a kill cut off.
        followed: events of watches.
        resumed: watches that went on after a restart.
        expired: watches that were told 410 instead.
    """

    newest: int = 0
    faults: list[str] = attrs.field(factory=list)
    acknowledged: int = 0
    unanswered: int = 0
    followed: int = 0
    resumed: int = 0
    expired: int = 0
    _objects: dict[str, Object] = attrs.field(factory=dict)
    _given: dict[int, tuple[str, Mark]] = attrs.field(factory=dict)
    _latest: dict[str, int] = attrs.field(factory=dict)

    def object(self, path: str) -> Object:
        """What is known of an object."""
        return self._objects.setdefault(path, Object())

    def paths(self, prefix: str) -> list[str]:
        """Every object below a collection that was ever written to."""
        return [path for path in self._objects if path.startswith(prefix)]

    def begin(self, path: str, mark: Mark) -> int:
        """A write is sent; returns the revision that its own must exceed."""
        self.object(path).unanswered.append(mark)
        return self.newest

    def acknowledge(self, path: str, mark: Mark, revision: int, floor: int) -> None:
        """A write was answered with success; revision 0 when the answer does not tell."""
        known = self.object(path)
        known.mark, known.revision = mark, revision
        known.unanswered.clear()
        self.acknowledged += 1
        if revision:
            if revision <= floor:
                self.faults.append(f"{path}: revision {revision} for a write that began after {floor} was given")
            self.shown(path, mark, revision)

    def refused(self, path: str, mark: Mark) -> None:
        """A write was answered with an error: it has not happened."""
        self.object(path).unanswered.remove(mark)

    def shown(self, path: str, mark: Mark, revision: int) -> None:
        """A revision was shown to belong to a write."""
        known = self._given.setdefault(revision, (path, mark))
        if known != (path, mark):
            self.faults.append(f"revision {revision} is {mark!r} of {path}, and was {known[1]!r} of {known[0]}")
        self.newest = max(self.newest, revision)
        self._latest[path] = max(self._latest.get(path, 0), revision)

    def found(self, path: str, mark: Mark, revision: int) -> None:
        """After a restart an object is there (or not: no mark, revision 0)."""
        known = self.object(path)
        if mark != known.mark and mark not in known.unanswered:
            self.faults.append(
                f"{path}: {known.mark or 'nothing'!r} was acknowledged at {known.revision}, found {mark or 'nothing'!r}"
            )
        elif mark == known.mark and revision != known.revision and known.revision:
            self.faults.append(f"{path}: {mark!r} was written at {known.revision}, and is found at {revision}")
        if revision:
            if revision < self._latest.get(path, 0):
                self.faults.append(f"{path}: is found at {revision}, and was shown at {self._latest[path]}")
            self.shown(path, mark, revision)
        known.mark, known.revision = mark, revision
        known.unanswered.clear()

    def now_at(self, revision: int) -> None:
        """A list shows the server's revision after a restart."""
        if revision < self.newest:
            self.faults.append(f"the server is at {revision} and was at {self.newest}")
        self.newest = max(self.newest, revision)

    def since(self, prefix: str, revision: int) -> dict[int, tuple[str, Mark]]:
        """Every write below a collection after a revision, by revision."""
        return {
            given: write for given, write in self._given.items() if given > revision and write[0].startswith(prefix)
        }
