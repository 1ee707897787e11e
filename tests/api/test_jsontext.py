from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import jsontext

REFUSALS = [
    (b"", "unexpected end of JSON input"),
    (b"{", "unexpected end of JSON input"),
    (b'{"apiVersion":"v1",', "unexpected end of JSON input"),
    (b'{"a":{"b":1}} trailing', "invalid character 't' after top-level value"),
    (b'{"a":1}{"x":1}', "invalid character '{' after top-level value"),
    (b'\xef\xbb\xbf{"a":1}', "invalid character 'ï' looking for beginning of value"),
    (b"{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b"not json at all", "invalid character 'o' in literal null (expecting 'u')"),
    (b"data: {k: w}", "invalid character 'd' looking for beginning of value"),
    (b"\x81", "invalid character '\\u0081' looking for beginning of value"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"[1,]", "invalid character ']' looking for beginning of value"),
    (b"01", "invalid character '1' after top-level value"),
    (b"-x", "invalid character 'x' in numeric literal"),
    (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
    (b"1e+", "unexpected end of JSON input"),
    (b"1ex", "invalid character 'x' in exponent of numeric literal"),
    (b'"a\nb"', r"invalid character '\n' in string literal"),
    (b'"\x01"', r"invalid character '\x01' in string literal"),
    (b'"\\q"', "invalid character 'q' in string escape code"),
    (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
    (b'{"a":' * 12_000, "invalid character '{' exceeded max depth"),
]


@pytest.mark.parametrize(("body", "why"), REFUSALS, ids=range(len(REFUSALS)))
def test_what_is_not_json_is_refused_in_gos_words(body, why):
    with pytest.raises(jsontext.JsonError) as refusal:
        jsontext.decode(body)
    assert str(refusal.value) == why


def test_lone_surrogates_and_bad_utf8_become_replacement_characters():
    assert jsontext.decode(rb'{"k":"\ud800"}') == {"k": "\ufffd"}
    assert jsontext.decode(b'{"k":"\xff"}') == {"k": "\ufffd"}
    assert jsontext.decode(rb'["\ud83d\ude00\ud800"]') == ["\U0001f600\ufffd"]


def test_nesting_beyond_what_can_be_held_is_refused():
    with pytest.raises(jsontext.JsonError, match="exceeded max depth"):
        jsontext.decode(b"[" * 9_000 + b"]" * 9_000)


def test_repeated_keys_are_named_by_path_in_the_order_of_the_text():
    body = b'{"metadata":{"name":"d0","name":"d0"},"data":{"k":"1"},"data":{"k":"2"},"l":[{"a":1},{"a":1,"a":2}]}'
    assert jsontext.duplicates(body) == ["metadata.name", "data", "l[1].a"]
    assert jsontext.decode(body)["data"] == {"k": "2"}


def test_a_body_without_repeated_keys_has_none():
    assert jsontext.duplicates(b'{"a":{"b":1},"c":[{"b":1},{"b":1}]}') == []


def test_number_literals_remember_how_they_were_written():
    numbers = jsontext.decode_with_literals(b"[1.0, 1e2, 7]")
    assert [getattr(number, "text", number) for number in numbers] == ["1.0", "1e2", 7]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=20,
)


@given(VALUES)
def test_the_scanner_accepts_all_json(value):
    body = json.dumps(value).encode()
    jsontext._Scanner(body).check()
    assert json.loads(body) == json.loads(json.dumps(jsontext.decode(body)))


@given(st.binary(max_size=30) | st.text(alphabet='{}[]",:01.e-nulltrue\\ ', max_size=20).map(str.encode))
def test_the_scanner_and_the_decoder_agree_on_what_is_json(body):
    try:
        json.loads(body.decode("utf-8", "replace"), parse_constant=pytest.fail)
        is_json = True
    except ValueError:
        is_json = False
    except pytest.fail.Exception:
        is_json = False
    try:
        jsontext._Scanner(body).check()
        accepted = True
    except jsontext.JsonError:
        accepted = False
    assert accepted is is_json
