"""The quick look for repeated keys agrees with a slow and certain one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import jsontext

Keys = st.sampled_from(["a", "b", 'q":', "c:d"])
Values = st.recursive(
    st.sampled_from(["1", '"x"', '"\\":"', "null"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(Keys, st.sampled_from(["", " ", "\n"]), inner), max_size=3).map(
            lambda members: "{" + ",".join(f"{json.dumps(key)}{blank}:{value}" for key, blank, value in members) + "}"
        ),
    ),
)


@given(text=Values)
def test_repeated_keys_are_found_and_nothing_else(text: str):
    repeated = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) != len(pairs)

    json.loads(text, object_pairs_hook=look)
    body = text.encode()
    assert jsontext.has_duplicates(body, jsontext.decode(body)) is repeated
