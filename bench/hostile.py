"""Requests that no good client would send, as strategies, and what answers they may have."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from bench import shapes
from refimpl.api.http import Request
from refimpl.api.resources import TABLE

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO")
PATCHES = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
MEDIA = (
    "",
    "application/json",
    "application/yaml",
    *PATCHES,
    "application/vnd.kubernetes.protobuf",
    "text/plain; charset=x",
)
ACCEPT = (
    "",
    "*/*",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    ";;,=",
)
PARAMETERS = (
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "watch",
    "timeoutSeconds", "dryRun", "fieldManager", "fieldValidation", "force", "pretty", "gracePeriodSeconds",
    "propagationPolicy", "includeObject", "sendInitialEvents", "allowWatchBookmarks", "container", "tailLines",
)  # fmt: skip
ARGUMENTS = (
    "1", "0", "-1", "true", "All", "Strict", "a=b", "a in (b)", "a in (", "!a,,", "a=b=c", "metadata.name=x", "Exact",
    "9" * 30, "NotOlderThan", "spec.nodeName=x,", "a notin (" + "b," * 500 + ")", "(" * 500, "\\", "a>1,b<x",
)  # fmt: skip
DELIBERATE = (
    "resourceVersion should not be set",
    "strconv.ParseUint",
    "resourceVersion: Invalid value",
    "target.",
    "unable to find",
    "does not contain declared merge key",
    "failed to create typed patch object",
    "unknown patch type",
    "invalid patch format",
    "connection refused",
    "Component not found: ",
)
"""Texts of the answers 500 that the original gives, too."""

_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8))
_KEYS = st.sampled_from(
    ["kind", "apiVersion", "metadata", "spec", "status", "name", "labels", "taints", "containers", "conditions",
     "items", "$patch", "$setElementOrder/taints", "op", "path", "value", "uid", "resourceVersion", "finalizers",
     "data", "target", "preconditions", "gracePeriodSeconds", "namespace", "generateName", "ownerReferences",
     "annotations", "replicas"]
)  # fmt: skip
TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=5)),
    max_leaves=20,
)
BODIES = st.one_of(st.binary(max_size=60), TREES.map(lambda tree: json.dumps(tree).encode()))
PATHS = st.one_of(
    st.sampled_from([path for row in TABLE for path in (row.path("default"), row.path("default", "x"))]),
    st.sampled_from([row.path("default", "x", name) for row in TABLE for name in row.subresources]),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.sampled_from(
        ["/", "/api", "/apis", "/api/v1/", "/version", "/healthz", "/openapi/v2", "/openapi/v3", "/metrics"]
    ),
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(PARAMETERS),
        st.one_of(st.text(max_size=12), st.sampled_from(ARGUMENTS)),
    ),
    max_size=4,
).map(tuple)
ANYTHING = st.builds(
    lambda method, path, query, body, media, accept: Request(
        method, path, query, {"content-type": media, "accept": accept}, body
    ),
    st.sampled_from(METHODS), PATHS, QUERIES, BODIES, st.sampled_from(MEDIA), st.sampled_from(ACCEPT),
)  # fmt: skip
"""Requests put together blindly."""


@st.composite
def nearly_right(draw: st.DrawFn) -> Request:
    """A request to write an object of a served kind, in a form that gets past the decoder more often than not."""
    row = draw(st.sampled_from(shapes.WRITABLE))
    method = draw(st.sampled_from(("POST", "POST", "PUT", "PATCH", "DELETE")))
    body = text(draw, draw(shapes.objects(row)))
    name = "" if method == "POST" else draw(st.sampled_from(shapes.NAMES[:4]))
    below = draw(st.sampled_from(("", "", *row.subresources))) if name else ""
    media = draw(st.sampled_from(PATCHES)) if method == "PATCH" else "application/json"
    if method == "DELETE" and draw(st.booleans()):
        body = b""
    accept = draw(st.sampled_from(ACCEPT[:6]))
    query = draw(QUERIES) if draw(st.integers(0, 3)) == 3 else ()
    path = row.path("default", name, below)
    return Request(method, path, query, {"content-type": media, "accept": accept}, body)


def text(draw: st.DrawFn, obj: Any) -> bytes:
    """JSON; now and then with a field twice, bad UTF-8, or cut short."""
    encoded = json.dumps(obj, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    match draw(st.integers(0, 25)):
        case 25:
            return encoded.replace(b'"name"', b'"name":"y","name"', 1)
        case 24:
            return encoded.replace(b'"x"', b'"\xff\xc0"')
        case 23:
            return encoded[: len(encoded) // 2]
        case _:
            return encoded


REQUESTS = st.one_of(ANYTHING, nearly_right(), nearly_right())


def wire(request: Request) -> tuple[str, str]:
    """Path and query as they stand in a request line, and the headers."""
    query = "?" + urlencode(request.query, errors="surrogatepass") if request.query else ""
    target = quote(request.path, safe="/", errors="surrogatepass") + query
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items() if value)
    return target, headers


def is_broken(status: int, body: bytes) -> bool:
    """Whether an answer says that the server is at fault, where the original's would not."""
    return status >= 500 and status != 504 and not deliberate(body)


def deliberate(body: bytes) -> str:
    """By which text the original's answer of 500 is known; empty for none."""
    text = b" ".join(body.split())  # YAML folds long lines
    return next((words for words in DELIBERATE if words.encode() in text), "")
