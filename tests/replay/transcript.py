"""The recorded cases as values."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import attrs

from refimpl.api.errors import Object

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings"
NOT_REPLAYED = frozenset({"kubectl", "kubectl-json-only"})


@attrs.frozen
class Step:
    """One step of a case: a request with its answer, or an operation on a watch."""

    n: int
    data: Object

    @property
    def op(self) -> str:
        return self.data.get("op", "request")

    @property
    def watch(self) -> str:
        return self.data["watch"]

    @property
    def expected(self) -> Object:
        return self.data["response"]

    @property
    def events(self) -> dict[str, list[Object]]:
        return self.data.get("watch_events", {})


@attrs.frozen
class Case:
    """One recorded case."""

    name: str
    server_config: str
    setup: tuple[Object, ...]
    steps: tuple[Step, ...]

    def setup_before(self, step: int) -> list[Object]:
        """What is sent immediately before a step."""
        return [request for request in self.setup if request.get("before_step", 0) == step - 1]


def load(path: Path) -> Case:
    data: dict[str, Any] = json.loads(path.read_text())
    steps = tuple(Step(step["n"], step) for step in data["steps"])
    return Case(data["name"], data.get("server_config", ""), tuple(data.get("setup", ())), steps)


def case_names() -> list[str]:
    """Every case there is to replay, as `group/name`."""
    paths = sorted(RECORDINGS.glob("*/*.json"))
    return [f"{path.parent.name}/{path.stem}" for path in paths if path.parent.name not in NOT_REPLAYED]


def case(name: str) -> Case:
    return load(RECORDINGS / f"{name}.json")


def differences() -> dict[str, str]:
    """The cases known to differ, with the reason."""
    return tomllib.loads((RECORDINGS / "differences.toml").read_text())["differences"]
