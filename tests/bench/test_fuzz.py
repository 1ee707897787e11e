"""A small budget of `bench/fuzz.py`, against a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import fuzz


@pytest.mark.live
def test_nothing_that_is_sent_puts_a_server_at_a_loss(tmp_path: Path):
    findings = fuzz.fuzz(requests=200, first_seed=5, watches=50, directory=tmp_path)
    assert (findings.broken, findings.hung_up, findings.stuck) == ([], [], [])
    assert findings.answers.total() > 200
