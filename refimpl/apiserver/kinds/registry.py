"""Which strategy serves which row of the resource table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from refimpl.api import resources
from refimpl.api.resources import Resource
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.kinds.nodes import Nodes
from refimpl.apiserver.kinds.pods import Pods
from refimpl.apiserver.strategy import Strategy


class _WithStatus(Kind):
    has_status = True


@cache
def _table() -> Mapping[Resource, Strategy]:
    return {
        resources.NODES: Nodes(),
        resources.PODS: Pods(),
    }


def strategy_for(resource: Resource) -> Strategy:
    """The behaviour of a row; storage-only rows share a plain strategy."""
    return _table().get(resource) or _plain("status" in resource.subresources)


@cache
def _plain(has_status: bool) -> Strategy:
    return _WithStatus() if has_status else Kind()
