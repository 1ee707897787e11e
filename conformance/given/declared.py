"""What the user says of a target, in a target file.

name = "our master, short timings"      # optional, for reports
version = "1.30"                         # optional: what it is to be judged as; otherwise what it says itself

[timing]                                 # as with --timing, by flag name or letter
node-monitor-grace-period = "20s"

[features]                               # what it has and has not; see conformance.features
scheduler = false

[[known]]                                # expected deviations; see conformance.given.baseline
requirement = "M-NR-06"
reason = "issue 4711"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from conformance import timing
from conformance.features import FEATURES
from conformance.given import baseline, documents
from conformance.given.baseline import BaselineError, Known
from conformance.timing import TimingError

_SECTIONS = ("name", "version", "timing", "features", "known")


class TargetFileError(Exception):
    """A target file cannot be used; the text lists every defect, a line each."""


@attrs.frozen
class Declared:
    """What was declared.

    Attributes:
        name: of the target, for people; empty for none.
        version: `1.30`; empty for what the target says itself.
        timing: settings by field of `Timing`.
        features: whether the target has them, by name.
        origins: where each feature was declared, for people.
        known: failures that are accepted.
    """

    name: str = ""
    version: str = ""
    timing: Mapping[str, float] = attrs.field(factory=dict)
    features: Mapping[str, bool] = attrs.field(factory=dict)
    origins: Mapping[str, str] = attrs.field(factory=dict)
    known: tuple[Known, ...] = ()

    @property
    def minor(self) -> int | None:
        """The 30 of 1.30."""
        return int(self.version.partition(".")[2]) if self.version else None

    def without(self, names: Iterable[str]) -> Declared:
        """With some features declared absent by `--without`."""
        gone = [name for name in names if name in FEATURES]
        return attrs.evolve(
            self,
            features={**self.features, **dict.fromkeys(gone, False)},
            origins={**self.origins, **{name: f"--without {name}" for name in gone}},
        )


def read(path: Path) -> Declared:
    """Reads a target file.

    Raises:
        TargetFileError: it is unreadable, or something in it is wrong.
    """
    document = documents.read(path, "target file", TargetFileError)
    defects = [f"{path}: {defect}" for defect in _defects(document)]
    if defects:
        raise TargetFileError("\n".join(defects))
    settings: dict[str, float] = {}
    known: tuple[Known, ...] = ()
    try:
        settings = timing.settings(document.get("timing", {}))
    except TimingError as error:
        defects.append(f"{path}: {error}")
    try:
        known = baseline.parse(document.get("known", []), str(path))
    except BaselineError as error:
        defects += str(error).splitlines()
    if defects:
        raise TargetFileError("\n".join(defects))
    features: dict[str, bool] = document.get("features", {})
    return Declared(
        name=document.get("name", ""),
        version=document.get("version", "").removeprefix("v"),
        timing=settings,
        features=features,
        origins=dict.fromkeys(features, str(path)),
        known=known,
    )


def _defects(document: Mapping[str, Any]) -> list[str]:
    defects = [
        f"unknown entry {name!r}; there are {', '.join(_SECTIONS)}" for name in document if name not in _SECTIONS
    ]
    if not isinstance(document.get("name", ""), str):
        defects.append("name is no text")
    defects += [
        f"{name} is no section" for name in ("timing", "features") if not isinstance(document.get(name, {}), dict)
    ]
    version = document.get("version", "")
    if not isinstance(version, str) or not re.fullmatch(r"|v?1\.\d+", version):
        defects.append(f'version {document["version"]!r} is not a Kubernetes version such as "1.30"')
    features = document.get("features", {})
    for name, value in features.items() if isinstance(features, dict) else ():
        if name not in FEATURES:
            defects.append(f"unknown feature {name!r}; there are {', '.join(FEATURES)}")
        elif not isinstance(value, bool):
            defects.append(f"feature {name} is neither true nor false")
    return defects
