"""OpenAPI v2, for kubectl up to 1.26: one document about everything, as JSON and in gnostic's protobuf form.

Old kubectls validate, merge and explain with it and ask for it in protobuf only. It is derived from the v3 documents;
of the protobuf messages (`openapi.v2.Document`, googleapis/gnostic) only those fields are written that have a use here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from refimpl.apiserver.documents.openapischemas import PREFIX, Json

PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ACCEPTED_PROTOBUF: Final = (PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")

_DEFINITIONS: Final = "#/definitions/"
_METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def document(v3: Iterable[Json]) -> Json:
    """The v2 document.

    Args:
        v3: the decoded v3 documents.
    """
    paths: Json = {}
    definitions: Json = {}
    info: Json = {}
    for part in v3:
        info = part["info"]
        paths.update({path: _path_item(item) for path, item in part["paths"].items()})
        for name, definition in part["components"]["schemas"].items():
            if name not in definitions:
                definitions[name] = _schema(definition)
    ordered = {name: definitions[name] for name in sorted(definitions)}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": ordered}


def _path_item(item: Json) -> Json:
    operations = {method: _operation(item[method]) for method in _METHODS if method in item}
    return {**operations, "parameters": [_parameter(parameter) for parameter in item["parameters"]]}


def _operation(operation: Json) -> Json:
    parameters = [_parameter(parameter) for parameter in operation["parameters"]]
    body = operation.get("requestBody")
    if body is not None:
        sent = next(iter(body["content"].values()))["schema"]
        parameters.append({"name": "body", "in": "body", "required": "required" in body, "schema": _schema(sent)})
    return {
        "tags": operation["tags"],
        "operationId": operation["operationId"],
        "parameters": parameters,
        "responses": {code: {"description": answer["description"]} for code, answer in operation["responses"].items()},
        **{key: value for key, value in operation.items() if key.startswith("x-")},
    }


def _parameter(parameter: Json) -> Json:
    return {**{key: value for key, value in parameter.items() if key != "schema"}, **parameter["schema"]}


def _schema(schema: Json) -> Json:
    """A v3 schema in v2's words: references stand alone, and what is one of several types is a string."""
    result: Json = {}
    for key, value in schema.items():
        match key:
            case "allOf":
                result.update(_schema(value[0]))
            case "$ref":
                result["$ref"] = value.replace(PREFIX, _DEFINITIONS)
            case "oneOf":
                result["type"] = "string"
            case "properties":
                result["properties"] = {name: _schema(below) for name, below in value.items()}
            case "items" | "additionalProperties":
                result[key] = _schema(value)
            case "default":
                pass
            case _:
                result[key] = value
    return result


def encode(v2: Json) -> bytes:
    """The document as `openapi.v2.Document`."""
    info = _text(1, v2["info"]["title"]) + _text(2, v2["info"]["version"])
    paths = b"".join(_message(2, _named(path, _encode_path(item))) for path, item in v2["paths"].items())
    definitions = _encode_schemas(v2["definitions"])
    return _text(1, v2["swagger"]) + _message(2, info) + _message(8, paths) + _message(9, definitions)


def _encode_path(item: Json) -> bytes:
    return b"".join(
        _message(_METHODS[method], _encode_operation(item[method])) for method in _METHODS if method in item
    )


def _encode_operation(operation: Json) -> bytes:
    tags = b"".join(_text(1, tag) for tag in operation["tags"])
    parameters = b"".join(_encode_query(each) for each in operation["parameters"] if each["in"] == "query")
    # A response has a description, wrapped twice; without any response gnostic calls the document malformed.
    answers = b"".join(
        _message(1, _named(code, _message(1, _text(1, answer["description"]))))
        for code, answer in operation["responses"].items()
    )
    about = _text(5, operation["operationId"])
    return tags + about + parameters + _message(9, answers) + _extensions(13, operation)


def _encode_query(parameter: Json) -> bytes:
    query = _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter["type"]) + _flag(20)
    # ParametersItem > Parameter > NonBodyParameter > QueryParameterSubSchema.
    return _message(8, _message(1, _message(2, _message(3, query))))


def _encode_schemas(schemas: Mapping[str, Json]) -> bytes:
    return b"".join(_message(1, _named(name, _encode_schema(schema))) for name, schema in schemas.items())


def _encode_schema(schema: Json) -> bytes:
    parts = []
    for key, value in schema.items():
        match key:
            case "$ref":
                parts.append(_text(1, value))
            case "format":
                parts.append(_text(2, value))
            case "description":
                parts.append(_text(4, value))
            case "required":
                parts += [_text(19, name) for name in value]
            case "additionalProperties":
                parts.append(_message(21, _message(1, _encode_schema(value))))
            case "type":
                parts.append(_message(22, _text(1, value)))
            case "items":
                parts.append(_message(23, _message(1, _encode_schema(value))))
            case "properties":
                parts.append(_message(25, _encode_schemas(value)))
    return b"".join(parts) + _extensions(31, schema)


def _extensions(number: int, holder: Json) -> bytes:
    """The `x-` members, each as a name and YAML text (JSON is YAML)."""
    return b"".join(
        _message(number, _named(key, _bytes(2, _yaml(value)))) for key, value in holder.items() if key.startswith("x-")
    )


def _yaml(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode()) if value else b""


def _message(number: int, value: bytes) -> bytes:
    return _bytes(number, value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _flag(number: int) -> bytes:
    return _varint(number << 3) + b"\x01"


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
