"""`/metrics`: a few figures in the text format of Prometheus, under the names kube-apiserver gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from refimpl.api.http import Request, Response
from refimpl.apiserver.objects.registry import Registry
from refimpl.apiserver.verbs import rendering

PATHS = ("/metrics",)


class Metrics:
    """The figures of one server.

    Args:
        registry: for how much there is and who watches.

    Attributes:
        answers: how many requests were answered, by method and status.
    """

    def __init__(self, registry: Registry) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._registry = registry

    def page(self, request: Request) -> Response | None:
        """Answers `/metrics`; None for any other path."""
        if request.path not in PATHS:
            return None
        text = "\n".join(self._lines()) + "\n"
        return Response(200, text.encode(), (("content-type", "text/plain; version=0.0.4"), rendering.CACHE_CONTROL))

    def _lines(self) -> Iterator[str]:
        yield "# TYPE apiserver_request_total counter"
        for (method, status), count in sorted(self.answers.items()):
            yield f'apiserver_request_total{{verb="{method}",code="{status}"}} {count}'
        yield "# TYPE apiserver_storage_objects gauge"
        for place, objects, _ in self._registry.census():
            yield f'apiserver_storage_objects{{resource="{place}"}} {objects}'
        yield "# TYPE apiserver_registered_watchers gauge"
        for place, _, watchers in self._registry.census():
            yield f'apiserver_registered_watchers{{resource="{place}"}} {watchers}'
