"""kubectl prints against our server what it printed in the recorded sessions."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.kubectl import recorded
from tests.kubectl.conftest import KUBECTLS
from tests.replay import sessions

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

KNOWN = sessions.known_differences()
NAMES = [name for name in sessions.session_names() if not sessions.session(name).json_only]


@cache
def minor_of(binary: str) -> int:
    """The 36 of kubectl 1.36."""
    said = subprocess.run([binary, "version", "--client", "-o", "json"], capture_output=True, check=True).stdout
    return int(json.loads(said)["clientVersion"]["minor"].rstrip("+"))


@pytest.fixture(params=KUBECTLS or [pytest.param("", marks=pytest.mark.skip(reason="no kubectl on this machine"))])
def binary(request: pytest.FixtureRequest) -> str:
    """Each kubectl in turn."""
    return str(request.param)


@pytest.mark.parametrize("name", NAMES)
async def test_kubectl_prints_what_was_recorded(binary: str, name: str, tmp_path: Path) -> None:
    session, known = sessions.session(name), KNOWN.get(name)
    ended = await recorded.run(binary, session, tmp_path)
    found = recorded.differences(session, ended)
    if known is not None and known.since <= minor_of(binary) < known.before:
        assert found, f"{name} is equal now: take it out of differences.toml, or name the versions"
    else:
        assert not found, "\n".join(found)


def test_every_listed_difference_names_a_session() -> None:
    assert set(KNOWN) <= set(NAMES)
