"""What wrk is told, and what is made of its words."""

from __future__ import annotations

import pytest

from bench.apiserver import wrk


def test_the_summary_has_the_rate_and_the_slowest_answer():
    said = (
        "  8412 requests in 2.00s, 31.50MB read\nrequests 8412 microseconds 2003000 refused 0 broken 0 slowest 15500\n"
    )
    assert wrk.summary(said) == (8412, 2.003, 15.5)


@pytest.mark.parametrize("wrong", ["refused 3 broken 0", "refused 0 broken 2"])
def test_a_load_that_was_not_answered_is_no_measurement(wrong: str):
    with pytest.raises(RuntimeError, match="of 10 requests"):
        wrk.summary(f"requests 10 microseconds 2003000 {wrong} slowest 15500")


def test_what_wrk_says_instead_of_a_summary_is_shown():
    with pytest.raises(RuntimeError, match="unable to connect"):
        wrk.summary("unable to connect to 127.0.0.1:1 Connection refused")
