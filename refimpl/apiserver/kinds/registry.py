"""Which strategy serves which row of the resource table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from refimpl.api.resources import Resource
from refimpl.apiserver.strategy import Strategy


def _strategies() -> Mapping[Resource, Strategy]:
    return {}


@cache
def _table() -> Mapping[Resource, Strategy]:
    return _strategies()


def strategy_for(resource: Resource) -> Strategy:
    """The behaviour of a row; storage-only rows share a plain strategy."""
    return _table().get(resource) or Strategy()
