"""Slips of the pen in lists and watches: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.api import selectors
from refimpl.apiserver.objects.cache import Change
from refimpl.apiserver.verbs import continuation, read, watch
from tests.faults.harness import Fault, replaced, slip

_BOOKMARK = "max(self._call.registry.revision, self._after)"


def _bookmarks(meant):
    return slip(watch.WatchStream, "_due", _BOOKMARK, meant)


def _labels(written, meant):
    return slip(selectors.Requirement, "matches", written, meant)


FAULTS = [
    Fault(
        "bookmarks come unasked",
        ids=("M-API-11",),
        patch=slip(watch.WatchStream, "__init__", "if not options.bookmarks:", "if False:"),
    ),
    Fault("bookmarks run ahead", ids=("M-API-13",), patch=_bookmarks("self._call.registry.revision + 1")),
    Fault(
        "bookmarks lag behind",
        ids=("M-API-13",),
        patch=_bookmarks("self._call.registry.revision - 9"),
        warns=("M-API-13",),
    ),
    Fault("all bookmarks are of the beginning", ids=("M-API-13",), patch=_bookmarks("1"), warns=("M-API-13",)),
    Fault(
        "a watch from a forgotten version begins now",
        ids=("M-API-12",),
        patch=slip(watch, "start", 'return writer.frame("ERROR", too_old(revision, error.oldest))', "backlog = []"),
    ),
    Fault(
        "a watch from a forgotten version just ends",
        ids=("M-API-12",),
        patch=slip(watch, "start", 'return writer.frame("ERROR", too_old(revision, error.oldest))', 'return b""'),
    ),
    Fault(
        "the end of the state is not told",
        ids=("M-API-14",),
        patch=slip(watch, "_backlog", "if options.initial_events and options.bookmarks:", "if False:"),
    ),
    Fault(
        "the end of the state is told before the state",
        ids=("M-API-14",),
        patch=slip(watch, "_backlog", "for entry in read.chosen(call, selection)", "for entry in ()"),
    ),
    Fault(
        "the end of the state is a bookmark like others",
        ids=("M-API-14",),
        patch=replaced(watch, "INITIAL_EVENTS_END", "k8s.io/initial-events"),
    ),
    Fault(
        "what is deleted has its last version",
        ids=("M-API-11",),
        patch=replaced(Change, "gone", lambda self: self.old.item),
    ),
    Fault(
        "a watch tells a change twice",
        ids=("M-API-11",),
        patch=slip(watch, "_backlog", ".since(revision)", ".since(revision - 1)"),
    ),
    Fault(
        "a watch from a list begins late",
        ids=("M-API-11",),
        patch=slip(watch, "_backlog", "revision >= call.registry.revision", "revision + 3 >= call.registry.revision"),
    ),
    Fault(
        "unequal needs the label",
        ids=("M-API-15",),
        patch=_labels("value is None or value not in self.values", "value is not None and value not in self.values"),
    ),
    Fault(
        "one of the values is the first",
        ids=("M-API-15",),
        patch=_labels("value is not None and value in self.values", "value == self.values[0]"),
    ),
    Fault("absent is no condition", ids=("M-API-15",), patch=_labels("return value is None\n", "return True\n")),
    Fault("present is no condition", ids=("M-API-15",), patch=_labels("return value is not None\n", "return True\n")),
    Fault(
        "the last of several labels",
        ids=("M-API-15",),
        patch=slip(selectors.LabelSelector, "matches", "in self.requirements:", "in self.requirements[-1:]:"),
    ),
    Fault(
        "pages leave one out",
        ids=("M-API-16",),
        patch=slip(read, "_page", "_place(call, entries[limit - 1])", "_place(call, entries[limit])"),
    ),
    Fault("pages begin where they ended", ids=("M-API-16",), patch=slip(continuation, "encode", "{last}\\0", "{last}")),
    Fault(
        "pages are of now",
        ids=("M-API-16",),
        patch=slip(read, "_continued", "where.revision, cache.at(where.revision)", "where.revision, cache.ordered()"),
    ),
    Fault(
        "pages say that they are of now",
        ids=("M-API-16",),
        patch=slip(read, "_continued", "return where.revision, cache", "return registry.revision, cache"),
    ),
    Fault(
        "pages are one too large",
        ids=("M-API-16",),
        patch=slip(read, "_page", "entries[:limit], token", "entries[: limit + 1], token"),
    ),
    Fault(
        "the last page is one too large",
        ids=("M-API-16",),
        patch=slip(read, "_page", "not limit or len(entries) <= limit", "not limit or len(entries) <= limit + 1"),
    ),
]
