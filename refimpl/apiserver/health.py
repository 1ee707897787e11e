"""`/healthz`, `/livez`, `/readyz` and their single checks.

Source: apiserver 1.36, `server/healthz`. The checks are those that mean something here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from refimpl.api.http import Request, Response
from refimpl.apiserver.verbs import rendering

_TEXT = (("content-type", "text/plain; charset=utf-8"), rendering.CACHE_CONTROL)
_SINGLE = ("ping", "etcd")
_CHECKS = MappingProxyType({"healthz": _SINGLE, "livez": _SINGLE, "readyz": ("ping", "informer-sync")})
"""`etcd` is the store, under the name monitoring looks for."""
PATHS = ("/healthz", "/livez", "/readyz")


class Health:
    """The health pages of one server.

    Attributes:
        failing: names of checks that fail, with the reason.
    """

    def __init__(self) -> None:
        self.failing: dict[str, str] = {}

    def page(self, request: Request) -> Response | None:
        """Answers the health pages; None for any other path."""
        endpoint, _, check = request.path[1:].partition("/")
        if endpoint not in _CHECKS or request.path.endswith("/"):
            return None
        if check:
            return self._one(endpoint, check)
        return self._all(request, endpoint)

    def _one(self, endpoint: str, check: str) -> Response | None:
        if check not in _CHECKS[endpoint]:
            return None
        failure = self.failing.get(check)
        return _text(200, "ok") if failure is None else _text(500, f"internal server error: {failure}")

    def _all(self, request: Request, endpoint: str) -> Response:
        excluded = {value for key, value in request.query if key == "exclude"}
        checks = _CHECKS[endpoint]
        failing = {check for check in checks if check in self.failing and check not in excluded}
        verbose = request.parameter("verbose") is not None
        if failing:
            return _text(500, _report(endpoint, self.failing, excluded))
        text = _report(endpoint, {}, excluded) if verbose else "ok"
        return _text(200, "" if request.method == "HEAD" else text)


def _report(endpoint: str, failing: Mapping[str, str], excluded: set[str]) -> str:
    lines = []
    for check in _CHECKS[endpoint]:
        if check in excluded:
            lines.append(f"[+]{check} excluded: ok")
        elif check in failing:
            lines.append(f"[-]{check} failed: {failing[check]}")
        else:
            lines.append(f"[+]{check} ok")
    lines.append(f"{endpoint} check {'failed' if failing else 'passed'}")
    return "\n".join(lines) + "\n"


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), _TEXT)
