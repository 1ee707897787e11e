"""Content negotiation: which form of the answer a client asked for.

Two checks, as in kube-apiserver 1.36: the router wants one of the media types it can write, exactly or as `*/*`, before
it looks at anything else; the encoder then reads the parameters (`as=Table;g=meta.k8s.io;v=v1`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import attrs

from refimpl.api import protobuf
from refimpl.api.errors import ApiError, failure, not_acceptable
from refimpl.api.http import Request

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = protobuf.MEDIA_TYPE
_WRITTEN = (JSON, YAML, PROTOBUF)
_STREAMED = (JSON, PROTOBUF)

Transform = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
_TRANSFORMS: Mapping[str, Transform] = {
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_BROWSERS = re.compile(r"curl|Wget|Mozilla")


@attrs.frozen
class Form:
    """The form of an answer.

    Attributes:
        media_type: `application/json`, `application/yaml` or `application/vnd.kubernetes.protobuf`.
        transform: what objects are turned into; empty leaves them as they are.
        version: of `meta.k8s.io`, for a transform.
        pretty: indent JSON.
    """

    media_type: str = JSON
    transform: Transform = ""
    version: str = "v1"
    pretty: bool = False


PLAIN = Form()


@attrs.frozen
class _Clause:
    """One media range of an Accept header."""

    type: str
    parameters: tuple[tuple[str, str], ...]
    quality: float

    @property
    def specificity(self) -> int:
        main, _, sub = self.type.partition("/")
        return (main != "*") + (sub != "*")


def form_of(request: Request) -> Form:
    """The form of the answer to a request.

    Raises:
        ApiError: 406.
    """
    accept = request.headers.get("accept", "")
    pretty = wants_indentation(request)
    if accept in {"", JSON, "*/*"}:
        return Form(pretty=True) if pretty else PLAIN
    form = _negotiate(accept)
    return attrs.evolve(form, pretty=pretty) if pretty else form


def form_of_error(request: Request) -> Form:
    """The form of a `Status`: JSON when the client accepts nothing that can be written."""
    try:
        form = form_of(request)
    except ApiError:
        return Form(pretty=wants_indentation(request))
    return attrs.evolve(form, transform="")


def wants_indentation(request: Request) -> bool:
    """Whether JSON is to be indented: by parameter, or because a person seems to look at it."""
    for key, value in request.query:
        if key == "pretty":
            return value in {"1", "t", "T", "true", "TRUE", "True"}
    return _is_browser(request.headers.get("user-agent", ""))


@lru_cache(maxsize=1024)
def _is_browser(agent: str) -> bool:
    return _BROWSERS.match(agent) is not None


def check_media_type(request: Request) -> None:
    """The router's check.

    Raises:
        ApiError: 406, no acceptable media type can be written.
    """
    accept = request.headers.get("accept", "")
    if accept in {"", JSON, "*/*"}:
        return
    if not any(clause.type in _WRITTEN or clause.type == "*/*" for clause in _clauses(accept)):
        available = ", ".join(_WRITTEN)
        raise failure(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {available}", {})


def check_stream(form: Form) -> None:
    """The check of watches: not every form can be sent in pieces.

    Raises:
        ApiError: 406.
    """
    if form.media_type not in _STREAMED:
        listed = ", ".join(f"{media_type};stream=watch" for media_type in _STREAMED)
        raise not_acceptable(f"only the following media types are accepted: {listed}")


@lru_cache(maxsize=1024)
def _negotiate(accept: str) -> Form:
    for clause in _clauses(accept):
        for media_type in _WRITTEN:
            main, _, sub = clause.type.partition("/")
            if clause.type not in {media_type, "*/*"} and not (sub == "*" and media_type.startswith(f"{main}/")):
                continue
            form = _with_parameters(media_type, dict(clause.parameters))
            if form is not None:
                return form
    raise not_acceptable(f"only the following media types are accepted: {', '.join(_WRITTEN)}")


def _with_parameters(media_type: str, parameters: Mapping[str, str]) -> Form | None:
    """The form that a media range's parameters ask for, or None when there is no such form."""
    kind = parameters.get("as", "")
    if not kind:
        return Form(media_type)
    transform = _TRANSFORMS.get(kind)
    version = parameters.get("v", "")
    if transform is None or parameters.get("g") != "meta.k8s.io" or version not in {"v1", "v1beta1"}:
        return None
    if transform == "Table" and media_type == PROTOBUF:
        return None
    return Form(media_type, transform, version)


@lru_cache(maxsize=1024)
def _clauses(accept: str) -> tuple[_Clause, ...]:
    """The media ranges, the most wanted first."""
    clauses = []
    for part in accept.split(","):
        media, *rest = (piece.strip() for piece in part.split(";"))
        parameters = tuple((key, value) for key, _, value in (piece.partition("=") for piece in rest))
        clauses.append(_Clause(media, parameters, _quality(dict(parameters).get("q", "1"))))
    return tuple(sorted(clauses, key=lambda clause: (-clause.quality, -clause.specificity)))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
