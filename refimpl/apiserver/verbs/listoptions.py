"""The query parameters of lists and watches, with the checks of kube-apiserver 1.36 (`ValidateListOptions`)."""

from __future__ import annotations

import attrs

from refimpl.api.errors import ApiError, Cause, bad_request, failure, invalid
from refimpl.api.resources import Resource
from refimpl.apiserver.verbs.call import Call

_MATCHES = ("Exact", "NotOlderThan")
LIST_OPTIONS = Resource("meta.k8s.io", "v1", "ListOptions", "listoptions")


@attrs.frozen
class ListOptions:
    """How a collection is to be read.

    Attributes:
        version: the `resourceVersion` parameter as given; empty when absent.
        match: `resourceVersionMatch`.
        limit: at most that many objects; 0 means all.
        token: `continue`.
        timeout: seconds a watch may last; None leaves it to the server.
        bookmarks: `allowWatchBookmarks`.
        initial_events: `sendInitialEvents`; None when absent.
    """

    version: str = ""
    match: str = ""
    limit: int = 0
    token: str = ""
    timeout: int | None = None
    bookmarks: bool = False
    initial_events: bool | None = None

    def revision(self) -> int:
        """The version as number; 0 when absent.

        Raises:
            ValueError: it is not a number; the text is Go's.
        """
        if not self.version:
            return 0
        if not (self.version.isascii() and self.version.isdigit()):
            raise ValueError(unreadable_version(self.version))
        return int(self.version)


def unreadable_version(version: str) -> str:
    """What is said about a resourceVersion that is no number."""
    return f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'


def read(call: Call, *, watch: bool) -> ListOptions:
    """Reads and checks the options of a list or watch.

    Raises:
        ApiError: 400 for a parameter that cannot be read, 422 for a combination that is not allowed.
    """
    if not call.request.query:
        return ListOptions()
    parameter = call.request.parameter
    options = ListOptions(
        version=parameter("resourceVersion") or "",
        match=parameter("resourceVersionMatch") or "",
        limit=max(call.integer("limit") or 0, 0),
        token=parameter("continue") or "",
        timeout=call.integer("timeoutSeconds"),
        bookmarks=call.flag("allowWatchBookmarks"),
        initial_events=call.flag("sendInitialEvents") if parameter("sendInitialEvents") is not None else None,
    )
    causes = _watch_problems(options) if watch else _list_problems(options)
    if causes:
        raise invalid(LIST_OPTIONS, "", causes)
    return options


def _forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def _unsupported_match(match: str, supported: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{value}"' for value in supported)
    return Cause(
        "FieldValueNotSupported", f'Unsupported value: "{match}": supported values: {listed}', "resourceVersionMatch"
    )


def _list_problems(options: ListOptions) -> list[Cause]:
    causes = []
    if options.initial_events is not None:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if not options.match:
        return causes
    if not options.version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    if options.token:
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    if options.match not in _MATCHES:
        causes.append(_unsupported_match(options.match, (*_MATCHES, "")))
    if options.match == "Exact" and options.version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(_forbidden("resourceVersionMatch", why))
    return causes


def _watch_problems(options: ListOptions) -> list[Cause]:
    causes = []
    if options.initial_events is not None and options.match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(_forbidden("resourceVersionMatch", why))
    if not options.match:
        return causes
    if options.initial_events is None:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    if options.match != "NotOlderThan":
        causes.append(_unsupported_match(options.match, ("NotOlderThan",)))
    if options.token:
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    return causes


def too_large(version: int, current: int) -> ApiError:
    """504: a version that this server has not seen, also after waiting."""
    return failure(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {version}, current: {current}",
        {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


def bad_list_version(wrong: ValueError) -> ApiError:
    """400: the version of a list is no number."""
    return bad_request(f"invalid resource version: {wrong}")
