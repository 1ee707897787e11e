"""Warnings reach the client whole, or not at all, and never break the answer."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.http import Request
from refimpl.apiserver.content import warningheaders
from refimpl.apiserver.server import ApiServer


async def test_an_unknown_field_with_a_line_end_adds_no_header(server: ApiServer):
    body = json.dumps({"metadata": {"name": "n"}, "a\r\nx-injected: y": 1, "b": 2}).encode()
    response = await server.handle(Request("POST", "/api/v1/nodes", body=body))
    warnings = [value for name, value in response.headers if name == "warning"]
    assert warnings == ['299 - "unknown field \\"b\\""']


@given(texts=st.lists(st.text(), max_size=6))
def test_no_header_value_holds_a_control_character(texts: list[str]):
    for _, value in warningheaders.headers(texts):
        assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in value)


def test_too_many_warnings_are_cut():
    texts = [f"{number} " + "x" * 1000 for number in range(50)]
    values = [value for _, value in warningheaders.headers(texts)]
    assert len(values) == warningheaders.MOST // warningheaders.MOST_EACH
    assert all(len(value) < warningheaders.MOST_EACH + 10 for value in values)


def test_a_warning_is_given_once():
    assert len(warningheaders.headers(["a", "a"])) == 1
