"""The kinds with behaviour: defaults, validation, immutability, columns and field selectors, one package a kind.

`strategy_for` is the way in for the generic verbs.
"""

from __future__ import annotations

from refimpl.apiserver.kinds.registry import strategy_for

__all__ = ["strategy_for"]
