"""The reference answers as the recorded server did, except where a reason is given."""

from __future__ import annotations

import pytest

from tests.replay import transcript
from tests.replay.player import play

KNOWN = transcript.differences()


@pytest.mark.parametrize("name", transcript.case_names())
async def test_answers_as_recorded(name: str) -> None:
    found = await play(transcript.case(name))
    if name in KNOWN:
        assert found, f"{name} is equal now: take it out of differences.toml"
    else:
        assert not found, "\n".join(found)


def test_every_listed_difference_names_a_case() -> None:
    assert set(KNOWN) <= set(transcript.case_names())
