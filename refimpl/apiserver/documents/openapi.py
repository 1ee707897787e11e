"""OpenAPI: an index and one v3 document for every group version, and the v2 document, made when they are asked for.

kubectl needs them for `explain`, `create` and `apply`; up to 1.26 it reads v2. URLs in the index carry a hash of the
document, so that clients may keep documents for good. Statuses and headers are those of kube-apiserver 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from refimpl.api import schema
from refimpl.api.http import Request, Response
from refimpl.api.resources import TABLE, Resource
from refimpl.api.schema import Struct
from refimpl.apiserver.documents import openapioperations, openapischemas, openapiv2
from refimpl.apiserver.documents.discovery import GIT_VERSION, etag
from refimpl.apiserver.documents.openapischemas import Json
from refimpl.apiserver.verbs import rendering

ROOT = "/openapi/v3"
V2 = "/openapi/v2"
PATHS = (V2, ROOT, f"{ROOT}/")
_JSON = ("application/json", "application/*", "*/*")
_TEXT = ("content-type", "text/plain; charset=utf-8")


class OpenApi:
    """The documents about a table of resources.

    Args:
        rows: the resources served.
    """

    def __init__(self, rows: Iterable[Resource] = TABLE) -> None:
        self._rows: dict[str, list[Resource]] = {}
        for row in sorted(rows, key=lambda row: (row.root, row.plural)):
            self._rows.setdefault(row.root.removeprefix("/"), []).append(row)
        self._documents: dict[str, bytes] = {}

    @property
    def names(self) -> list[str]:
        """What there are documents of: `api/v1`, `apis/apps/v1`, ..."""
        return list(self._rows)

    def document(self, name: str) -> bytes | None:
        """The encoded document of one group version, or None for an unknown one."""
        if name not in self._rows:
            return None
        if name not in self._documents:
            self._documents[name] = msgspec.json.encode(self._describe(tuple(self._rows[name])))
        return self._documents[name]

    def _describe(self, rows: tuple[Resource, ...]) -> Json:
        types = schema.load()
        roots: dict[str, Struct] = {}
        for group, version, kind in openapioperations.bodies(rows):
            struct = types.kind(f"{group}/{version}" if group else version, kind)
            if struct is not None:
                roots[struct.name] = struct
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": GIT_VERSION},
            "paths": openapioperations.paths(types, rows),
            "components": {"schemas": openapischemas.components(types, roots.values())},
        }

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        return {name: etag(self.document(name) or b"") for name in self._rows}

    @cached_property
    def index(self) -> bytes:
        """The encoded index."""
        urls = {name: {"serverRelativeURL": f"{ROOT}/{name}?hash={digest}"} for name, digest in self._hashes.items()}
        return msgspec.json.encode({"paths": urls})

    @cached_property
    def _v2(self) -> Mapping[str, bytes]:
        """The v2 document by media type."""
        whole = openapiv2.document(self._describe(tuple(rows)) for rows in self._rows.values())
        return {"application/json": msgspec.json.encode(whole), openapiv2.PROTOBUF: openapiv2.encode(whole)}

    def page(self, request: Request) -> Response | None:
        """Answers a request for OpenAPI documents; None for any other path."""
        if request.path == V2:
            return self._whole(request)
        if request.path != ROOT and not request.path.startswith(f"{ROOT}/"):
            return None
        if not _acceptable(request):
            return Response(406, b"", (_TEXT, rendering.CACHE_CONTROL))
        name = request.path[len(ROOT) :].strip("/")
        if not name:
            return _answer(request, self.index, (_TEXT, rendering.CACHE_CONTROL))
        document = self.document(name)
        if document is None:
            return Response(404, b"", (rendering.CACHE_CONTROL,))
        return self._conditional(request, name, document)

    def _whole(self, request: Request) -> Response:
        vary = (("vary", "Accept-Encoding"), ("vary", "Accept"))
        media_type = _v2_media_type(request)
        if not media_type:
            return Response(406, b"", (*vary, rendering.CACHE_CONTROL))
        tag = f'"{etag(self._v2["application/json"])}"'
        caching = (*vary, ("etag", tag), rendering.CACHE_CONTROL)
        if request.headers.get("if-none-match") == tag:
            return Response(304, b"", caching)
        return _answer(request, self._v2[media_type], (("content-type", media_type), *caching))

    def _conditional(self, request: Request, name: str, document: bytes) -> Response:
        digest = self._hashes[name]
        caching = (("vary", "Accept"), ("etag", f'"{digest}"'))
        wanted = request.parameter("hash")
        if wanted is not None and wanted != digest:
            location = ("location", f"{ROOT}/{name}?hash={digest}")
            return Response(
                301, b"", (("content-type", "application/json"), *caching, location, rendering.CACHE_CONTROL)
            )
        if request.headers.get("if-none-match") == f'"{digest}"':
            return Response(304, b"", caching)
        lifetime = ("cache-control", "public, immutable") if wanted else rendering.CACHE_CONTROL
        return _answer(request, document, (("content-type", "application/json"), *caching, lifetime))


def _accepted(request: Request) -> list[str]:
    accept = request.headers.get("accept", "") or "*/*"
    return [clause.partition(";")[0].strip() for clause in accept.split(",")]


def _acceptable(request: Request) -> bool:
    return any(media_type in _JSON for media_type in _accepted(request))


def _v2_media_type(request: Request) -> str:
    """The form of the v2 document that the client names first; empty when there is none."""
    for media_type in _accepted(request):
        if media_type in openapiv2.ACCEPTED_PROTOBUF:
            return openapiv2.PROTOBUF
        if media_type in _JSON:
            return "application/json"
    return ""


def _answer(request: Request, body: bytes, headers: tuple[tuple[str, str], ...]) -> Response:
    if rendering.accepts_gzip(request) and len(body) >= rendering.COMPRESS_FROM:
        headers = (*headers, ("content-encoding", "gzip"))
        body = rendering.compress(body)
    return Response(200, b"" if request.method == "HEAD" else body, headers)
