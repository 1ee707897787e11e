"""Reading an informer's notifications: what happened to one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refimpl.api.errors import Object
from refimpl.client.informer import Handler

Change = tuple[Object | None, Object | None]


def lives(old: Object | None, new: Object | None) -> Iterator[Change]:
    """The change, split in two when one name passed from one object to another between two looks."""
    if old is not None and new is not None and old["metadata"]["uid"] != new["metadata"]["uid"]:
        yield old, None
        yield None, new
    else:
        yield old, new


def any_of(old: Object | None, new: Object | None) -> Object:
    """The newer of the two that is there."""
    obj = new if new is not None else old
    assert obj is not None
    return obj


def split(handler: Handler) -> Handler:
    """A handler that never sees two objects of one name as one."""

    def notify(old: Object | None, new: Object | None) -> None:
        for before, after in lives(old, new):
            handler(before, after)

    return notify


def keyed(add: Callable[[tuple[str, str]], None]) -> Handler:
    """A handler that queues the key of whatever changed."""

    def notify(old: Object | None, new: Object | None) -> None:
        metadata = any_of(old, new)["metadata"]
        add((metadata.get("namespace", ""), metadata["name"]))

    return notify
