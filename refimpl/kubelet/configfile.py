"""The kubelet's configuration file: a `KubeletConfiguration` (kubelet.config.k8s.io/v1beta1) as settings.

Fields without a counterpart here, such as those on authentication, are passed over.

Source: kubelet 1.36 `apis/config/v1beta1/defaults.go`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import durationpy
import yaml

from refimpl.api.errors import Object
from refimpl.kubelet.config import ConfigError, KubeletConfig

_RENAMED: Final = {"staticPodPath": "pod_manifest_path", "nodeStatusMaxImages": "node_status_max_images"}
_THRESHOLDS: Final = ("eviction_hard", "eviction_soft")


def read(path: Path) -> KubeletConfig:
    """The settings of a file.

    Raises:
        ConfigError: it cannot be read, or a value has the wrong form.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"--config: {error}") from None
    if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
        raise ConfigError(f"--config: {path} is no KubeletConfiguration")
    return configured(KubeletConfig(), document)


def configured(base: KubeletConfig, document: Object) -> KubeletConfig:
    """Settings changed by a configuration.

    Raises:
        ConfigError: a value has the wrong form.
    """
    fields = {field.name: field for field in attrs.fields(KubeletConfig)}
    changes: dict[str, Any] = {}
    for key, value in document.items():
        name = _RENAMED.get(key, _snake(key))
        if name in fields:
            changes[name] = _typed(key, getattr(base, name), value, thresholds=name in _THRESHOLDS)
    longest = (document.get("crashLoopBackOff") or {}).get("maxContainerRestartPeriod")
    if longest is not None:
        changes["max_container_restart_period"] = _seconds("maxContainerRestartPeriod", longest)
    return attrs.evolve(base, **with_report_frequency(changes))


def with_report_frequency(changes: Mapping[str, Any]) -> dict[str, Any]:
    """A file that sets how often the status is looked at, and not how often it is reported, means both."""
    frequency = changes.get("node_status_update_frequency")
    if frequency is None or "node_status_report_frequency" in changes:
        return dict(changes)
    return {**changes, "node_status_report_frequency": frequency}


def _typed(key: str, default: Any, value: Any, *, thresholds: bool) -> Any:
    """A value of the document in the type of the setting."""
    if thresholds:
        return tuple(f"{signal}<{amount}" for signal, amount in dict(value).items())
    if isinstance(default, tuple):
        return tuple(_taint(each) for each in value)
    if isinstance(default, dict):
        return {name: str(amount) for name, amount in dict(value).items()}
    if isinstance(default, float):
        return _seconds(key, value)
    return type(default)(value)


def _seconds(key: str, text: Any) -> float:
    try:
        return float(durationpy.from_str(str(text)).total_seconds())
    except (ValueError, durationpy.DurationError):
        raise ConfigError(f"--config: {key} {text!r} is not a duration such as 1m30s") from None


def _taint(taint: Object) -> str:
    return f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"


def _snake(key: str) -> str:
    """`maxPods` as `max_pods`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), key).lower()
