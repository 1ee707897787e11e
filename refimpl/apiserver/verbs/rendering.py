"""Answers in the form that was asked for: JSON or YAML, whole objects, Tables or metadata only."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable

import msgspec

from refimpl.api import protobuf
from refimpl.api.errors import ApiError, Object, not_acceptable
from refimpl.api.http import Request, Response
from refimpl.apiserver.content import binary, encoding, negotiation, warningheaders, yamltext
from refimpl.apiserver.content.negotiation import PLAIN, PROTOBUF, Form
from refimpl.apiserver.verbs import table
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.apiserver.verbs.read import Listing, encode_list, list_metadata

CACHE_CONTROL = ("cache-control", "no-cache, private")
JSON_HEADERS = (("content-type", "application/json"), CACHE_CONTROL)
STREAM_HEADERS = (("content-type", protobuf.STREAM_TYPE), CACHE_CONTROL)
COMPRESS_FROM = 128 * 1024
"""Bytes from which a body is compressed for clients that accept gzip."""


def render(call: Call, answer: Answer) -> Response:
    """The response with one object."""
    form = call.form
    if form is PLAIN and answer.item is not None:
        body = encoding.full(call.target.resource, answer.item) + b"\n"
        if len(body) < COMPRESS_FROM and not call.warnings:
            return Response(answer.status, body, JSON_HEADERS)
        return finish(call.request, answer.status, body, form, call.warnings)
    if answer.item is not None and form.media_type == PROTOBUF and not form.transform:
        return finish(call.request, answer.status, binary.body(call.target.resource, answer.item), form, call.warnings)
    obj = answer.obj if answer.obj is not None else encoding.decode(call.target.resource, answer.item or b"")
    if not answer.plain:
        obj = _transformed(call, form, obj)
    return finish(call.request, answer.status, write(obj, form), form, call.warnings)


def _transformed(call: Call, form: Form, obj: Object) -> Object:
    match form.transform:
        case "Table":
            metadata = obj["metadata"]
            about = {"resourceVersion": metadata["resourceVersion"]} if metadata.get("resourceVersion") else {}
            return table.table(call, form.version, [obj], about)
        case "PartialObjectMetadata":
            return table.partial(obj, form.version)
        case "PartialObjectMetadataList":
            kind = call.target.resource.kind
            raise not_acceptable(
                f"you requested PartialObjectMetadataList, but the requested object is not a list (*core.{kind})"
            )
        case _:
            return obj


def render_list(call: Call, listing: Listing) -> Response:
    """The response with a collection."""
    form = call.form
    if form is PLAIN:
        return finish(call.request, 200, encode_list(call, listing), form, call.warnings)
    resource = call.target.resource
    if form.media_type == PROTOBUF and not form.transform:
        shown = [call.registry.item(resource, entry.item) for entry in listing.entries]
        whole_body = binary.list_body(resource, list_metadata(listing), shown)
        return finish(call.request, 200, whole_body, form, call.warnings)
    items = (call.registry.decode(resource, entry.item) for entry in listing.entries)
    metadata = list_metadata(listing)
    match form.transform:
        case "Table":
            whole = table.table(call, form.version, items, metadata)
        case "PartialObjectMetadataList":
            whole = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"{table.GROUP}/{form.version}",
                "metadata": metadata,
                "items": [table.partial(item, form.version) for item in items],
            }
        case "PartialObjectMetadata":
            raise not_acceptable(
                f"you requested PartialObjectMetadata, but the requested object is a list (*core.{resource.list_kind})"
            )
        case _:
            whole = msgspec.json.decode(encode_list(call, listing))
    return finish(call.request, 200, write(whole, form), form, call.warnings)


def render_stream(call: Call, stream: AsyncIterator[bytes] | bytes) -> Response:
    """The response with a watch; its content type says nothing of the form of the objects."""
    head = STREAM_HEADERS if call.form.media_type == PROTOBUF else JSON_HEADERS
    headers = [*head, *warningheaders.headers(call.warnings)]
    return Response(200, _once(stream) if isinstance(stream, bytes) else stream, tuple(headers))


async def _once(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


def render_error(request: Request, error: ApiError, warnings: Iterable[str] = ()) -> Response:
    """The response with the `Status` of a failure."""
    form = negotiation.form_of_error(request)
    return finish(request, error.code, write(error.status, form), form, warnings, retry_after=error.retry_after)


def write(value: Object, form: Form) -> bytes:
    """A JSON value as text, or an object in its binary form.

    Raises:
        ApiError: 406, the object has no binary form.
    """
    if form.media_type == PROTOBUF:
        message = protobuf.encode(value)
        if message is None:
            raise not_acceptable(f"{value.get('kind', 'the answer')} has no binary form")
        return message
    if form.media_type == negotiation.YAML:
        return yamltext.encode(value)
    encoded = encoding.encode(value)
    return msgspec.json.format(encoded, indent=2) if form.pretty else encoded + b"\n"


def finish(
    request: Request,
    status: int,
    body: bytes,
    form: Form,
    warnings: Iterable[str] = (),
    *,
    retry_after: int | None = None,
) -> Response:
    """Compression and headers."""
    headers = [("content-type", form.media_type), CACHE_CONTROL]
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    headers += warningheaders.headers(warnings)
    if form.pretty and form.media_type == negotiation.JSON and not body.startswith(b"{\n"):
        body = msgspec.json.format(body, indent=2)
    if len(body) >= COMPRESS_FROM and accepts_gzip(request):
        body = compress(body)
        headers += [("content-encoding", "gzip"), ("vary", "Accept-Encoding")]
    if request.method == "HEAD":
        body = b""
    return Response(status, body, tuple(headers))


def accepts_gzip(request: Request) -> bool:
    """Whether the client named gzip, without parameters."""
    accepted = request.headers.get("accept-encoding", "")
    return any(part.strip() == "gzip" for part in accepted.split(","))


def compress(body: bytes) -> bytes:
    """The body as gzip stream, fast rather than small."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()
