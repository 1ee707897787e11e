"""Hooks that the suite asks other plugins; `fixtures` implements them."""

from __future__ import annotations

import pytest

from conformance.driver import AgentTarget
from conformance.target import Target


@pytest.hookspec(firstresult=True)
def pytest_conformance_target(config: pytest.Config) -> Target | None:
    """The master that the options choose; None when they choose none, and cases on masters are left out.

    Raises:
        TargetError: the options name one that cannot be tested.
    """


@pytest.hookspec(firstresult=True)
def pytest_conformance_agent(config: pytest.Config) -> AgentTarget | None:
    """The kind of node agent that the options choose; None leaves cases on agents out.

    Raises:
        TargetError: the options name one that cannot be tested.
    """
