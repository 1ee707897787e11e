"""Eviction thresholds: `memory.available<100Mi`, `nodefs.available<10%`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, Literal

import attrs
import durationpy

from refimpl.api import quantity
from refimpl.kubelet.config import ConfigError, KubeletConfig, share
from refimpl.kubelet.machine.host import MIB
from refimpl.kubelet.machine.stats import SIGNALS, Signal

Pressure = Literal["MemoryPressure", "DiskPressure", "PIDPressure", "OutOfDisk"]

PRESSURES: Final[tuple[Pressure, ...]] = ("OutOfDisk", "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions a signal can raise, in the order in which a Node lists them."""

CONDITION_OF: Final[Mapping[Signal, Pressure]] = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "imagefs.available": "DiskPressure",
    "imagefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}

RESOURCE_OF: Final[Mapping[Signal, str]] = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
    "pid.available": "pids",
}


@attrs.frozen
class Amount:
    """An absolute amount or a share of the capacity.

    Attributes:
        absolute: bytes, inodes or process ids.
        share: of the capacity; None where the amount is absolute.
    """

    absolute: int = 0
    share: Fraction | None = None

    def of(self, capacity: int) -> int:
        """The amount for a capacity, rounded down."""
        return self.absolute if self.share is None else int(self.share * capacity)


@attrs.frozen
class Threshold:
    """Below this much of a signal, the node is under pressure.

    Attributes:
        signal: what is observed.
        amount: the bound.
        condition: the node condition that it raises.
        grace: seconds for which the bound must be crossed before pods are evicted; 0 is a hard threshold, None one that
            raises its condition and evicts nothing.
        minimum_reclaim: how far above the bound an eviction must get.
    """

    signal: Signal
    amount: Amount
    condition: Pressure
    grace: float | None = 0.0
    minimum_reclaim: Amount = Amount()

    @property
    def hard(self) -> bool:
        """Whether pods are evicted at once, without grace."""
        return self.grace == 0


OUT_OF_DISK: Final = Threshold("nodefs.available", Amount(256 * MIB), "OutOfDisk", grace=None)
"""kubelet 1.5 `--low-diskspace-threshold-mb`: with less than 256 MiB the node is out of disk."""


def thresholds(config: KubeletConfig) -> tuple[Threshold, ...]:
    """All thresholds of a configuration, hard ones first.

    Raises:
        ConfigError: a statement cannot be read, or a soft threshold lacks its grace period.
    """
    found = [_threshold(*statement, config, grace=0.0) for statement in _statements(config.eviction_hard, "hard")]
    for signal, text in _statements(config.eviction_soft, "soft"):
        found.append(_threshold(signal, text, config, grace=_grace(signal, config)))
    if config.rules.out_of_disk:
        found.append(OUT_OF_DISK)
    return tuple(threshold for threshold in found if threshold.amount.share not in {Fraction(0), Fraction(1)})


def _statements(texts: Iterable[str], kind: str) -> list[tuple[Signal, str]]:
    statements = []
    for text in texts:
        signal, sign, bound = text.partition("<")
        if not sign or signal not in SIGNALS:
            raise ConfigError(f"--eviction-{kind}: {text!r} is not one of {', '.join(SIGNALS)} with <AMOUNT")
        statements.append((signal, bound))
    return statements


def _threshold(signal: Signal, text: str, config: KubeletConfig, *, grace: float) -> Threshold:
    reclaim = config.eviction_minimum_reclaim.get(signal, "0")
    return Threshold(signal, _amount(signal, text), CONDITION_OF[signal], grace, _amount(signal, reclaim))


def _amount(signal: Signal, text: str) -> Amount:
    try:
        portion = share(text)
        amount = Amount(share=portion) if portion is not None else Amount(quantity.value(text))
    except ValueError as error:
        raise ConfigError(f"eviction threshold of {signal}: {error}") from None
    if amount.absolute < 0 or not 0 <= (amount.share or 0) <= 1:
        raise ConfigError(f"eviction threshold of {signal}: {text!r} is out of range")
    return amount


def _grace(signal: Signal, config: KubeletConfig) -> float:
    text = config.eviction_soft_grace_period.get(signal)
    if text is None:
        raise ConfigError(f"grace period must be specified for the soft eviction threshold {signal}")
    try:
        return float(durationpy.from_str(text).total_seconds())
    except (ValueError, durationpy.DurationError):
        raise ConfigError(f"--eviction-soft-grace-period: {text!r} is not a duration such as 1m30s") from None
