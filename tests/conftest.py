"""Tests of our own code run on virtual time: nothing here sleeps for real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from refimpl.clock import Clock, virtual_loop

pytest_plugins = ["pytester"]

# How long an example takes is the machine's business, and says nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


_WARNINGS = (
    "error",
    # What an earlier session left in pytest's own temporary folders, and cannot be removed, is no error of this one.
    r"default:\(rm_rf\):pytest.PytestWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """A warning fails a test of ours; to those who run the suite it is only shown: it says nothing of their target."""
    for line in _WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every async test gets a fresh loop whose time jumps, unless it is marked `live`."""
    if item.get_closest_marker("live"):
        return {"live": asyncio.new_event_loop}
    return {"virtual": virtual_loop}


@pytest.fixture
def clock() -> Clock:
    """Virtual time with a fixed seed."""
    return Clock.virtual(seed=1)
