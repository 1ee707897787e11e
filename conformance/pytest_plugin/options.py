"""The suite's pytest options."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import timing
from conformance.clock import fresh_seed
from conformance.given import baseline
from conformance.given import declared as target_file
from conformance.given.baseline import Baseline, BaselineError, Known
from conformance.given.declared import Declared, TargetFileError
from conformance.given.terms import Limits, Terms


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
        help="a feature, or a profile of requirements, that the target does not claim, e.g. scheduler; repeatable",
    )
    group.addoption(
        "--target-file",
        type=Path,
        default=None,
        metavar="FILE",
        help="TOML file that says what the target is: version, timing, features, known failures",
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
    for form, name in (("json", "JSON"), ("md", "Markdown"), ("html", "a page of HTML that needs nothing else")):
        text = f"write the results as {name}"
        group.addoption(f"--report-{form}", type=Path, default=None, metavar="FILE", help=text)
    group.addoption("--history-out", type=Path, default=None, metavar="FILE", help="write everything that was seen")
    group.addoption(
        "--replay", type=Path, default=None, metavar="FILE", help="judge such a file again; no target needed"
    )


def terms(config: pytest.Config) -> Terms:
    """Everything the options decide about a run.

    Raises:
        pytest.UsageError: one of them is wrong.
    """
    seed: int | None = config.getoption("--seed")
    said = declared(config)
    file: Path | None = config.getoption("--target-file")
    return Terms(
        seed=fresh_seed() if seed is None else seed,
        given=given(config),
        limits=_limits(config),
        baseline=Baseline((*_known(config), *said.known)),
        declared=said,
        repeat=("--target-file", str(file)) if file else (),
    )


def declared(config: pytest.Config) -> Declared:
    """What the target file says.

    Raises:
        pytest.UsageError: it cannot be used.
    """
    path: Path | None = config.getoption("--target-file")
    try:
        return target_file.read(path) if path else Declared()
    except TargetFileError as error:
        raise pytest.UsageError(*str(error).splitlines()) from error


def settings(config: pytest.Config) -> dict[str, float]:
    """All timing settings: of the target file, of the profile, and of options, the latter winning.

    Raises:
        pytest.UsageError: one of them is wrong.
    """
    return {**declared(config).timing, **given(config)}


def given(config: pytest.Config) -> dict[str, float]:
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


def _limits(config: pytest.Config) -> Limits:
    return Limits(
        max_wait=config.getoption("--max-wait"),
        without=frozenset(config.getoption("--without")),
        allow_hazards=config.getoption("--allow-hazards"),
    )


def _known(config: pytest.Config) -> tuple[Known, ...]:
    path: Path | None = config.getoption("--baseline")
    try:
        return baseline.read(path) if path else ()
    except BaselineError as error:
        raise pytest.UsageError(*str(error).splitlines()) from error
