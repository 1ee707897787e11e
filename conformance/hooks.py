"""Hooks that the suite asks other plugins; `fixtures` implements them."""

from __future__ import annotations

import pytest

from conformance.target import Target


@pytest.hookspec(firstresult=True)
def pytest_conformance_target(config: pytest.Config) -> Target | None:
    """The master that the options choose.

    Raises:
        TargetError: the options name none that can be tested.
    """
