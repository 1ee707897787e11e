"""The suite's pytest options."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import baseline, timing
from conformance.baseline import Baseline, BaselineError
from conformance.clock import fresh_seed
from conformance.engine import Limits


def add(parser: pytest.Parser) -> None:
    """Declares them."""
    group = parser.getgroup("conformance", "conformance of a Kubernetes master or node")
    group.addoption("--seed", type=int, default=None, help="seed of all random choices (default: a new one)")
    group.addoption(
        "--timing",
        action="append",
        default=[],
        metavar="NAME=SECONDS",
        help="a setting of the target, by letter (P=1) or flag name (node-monitor-period=1); repeatable",
    )
    group.addoption("--timing-profile", type=Path, default=None, metavar="FILE", help="TOML file with such settings")
    group.addoption(
        "--requirement",
        action="append",
        default=[],
        metavar="ID",
        help="run only the cases of this requirement; repeatable",
    )
    group.addoption(
        "--max-wait", type=float, default=None, metavar="SECONDS", help="skip scenarios that may take longer than this"
    )
    group.addoption(
        "--without",
        action="append",
        default=[],
        metavar="PROFILE",
        help="a profile of requirements that the target does not claim, e.g. scheduler; repeatable",
    )
    group.addoption(
        "--plan", action="store_true", help="say what would be done and how long it may take, and do nothing"
    )
    group.addoption(
        "--allow-hazards",
        action="store_true",
        help="play nodes even where something, such as a cloud's node controller, may delete them",
    )
    group.addoption("--strict-should", action="store_true", help="a SHOULD that is missed fails the run")
    group.addoption(
        "--baseline",
        type=Path,
        default=None,
        metavar="FILE",
        help="TOML file with known failures: these do not fail the run, new ones and stale entries do",
    )
    group.addoption(
        "--baseline-out",
        type=Path,
        default=None,
        metavar="FILE",
        help="write such a file with everything that is not green, with reasons to fill in",
    )
    group.addoption("--report-json", type=Path, default=None, metavar="FILE", help="write the results as JSON")
    group.addoption("--history-out", type=Path, default=None, metavar="FILE", help="write everything that was seen")
    group.addoption(
        "--replay", type=Path, default=None, metavar="FILE", help="judge such a file again; no target needed"
    )


def seed(config: pytest.Config) -> int:
    """The seed to use."""
    given: int | None = config.getoption("--seed")
    return fresh_seed() if given is None else given


def limits(config: pytest.Config) -> Limits:
    """What to leave out."""
    return Limits(
        max_wait=config.getoption("--max-wait"),
        without=frozenset(config.getoption("--without")),
        allow_hazards=config.getoption("--allow-hazards"),
    )


def known(config: pytest.Config) -> Baseline:
    """The failures that are accepted.

    Raises:
        pytest.UsageError: the file cannot be used.
    """
    path: Path | None = config.getoption("--baseline")
    try:
        return Baseline(baseline.read(path) if path else ())
    except BaselineError as error:
        raise pytest.UsageError(*str(error).splitlines()) from error


def settings(config: pytest.Config) -> dict[str, float]:
    """Timing settings from profile and options, the latter winning.

    Raises:
        pytest.UsageError: one of them is wrong.
    """
    profile: Path | None = config.getoption("--timing-profile")
    try:
        found = timing.read_profile(profile) if profile else {}
        found |= dict(timing.parse_option(text) for text in config.getoption("--timing"))
    except timing.TimingError as error:
        raise pytest.UsageError(str(error)) from error
    return found
