"""Types of versions that release 1.36 describes no more, made from those of the version that took their place.

Source: `k8s.io/api` of Kubernetes 1.20 (`discovery/v1beta1`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_NEW: Final = "io.k8s.api.discovery.v1."
_OLD: Final = "io.k8s.api.discovery.v1beta1."

# An endpoint's zone had no field of its own yet, and its topology was not deprecated.
_RENAMED: Final = {"deprecatedTopology": "topology"}
_MISSING: Final = frozenset({"zone"})


def types(known: Mapping[str, Any]) -> dict[str, Any]:
    """Descriptions of the older types, in the form of the schema's data file."""
    slice_, endpoint = known[f"{_NEW}EndpointSlice"], known[f"{_NEW}Endpoint"]
    fields = dict(slice_["f"])
    fields["endpoints"] = [f"[#{_OLD}Endpoint", *fields["endpoints"][1:]]
    return {
        f"{_OLD}EndpointSlice": {**slice_, "g": [["discovery.k8s.io", "v1beta1", "EndpointSlice"]], "f": fields},
        f"{_OLD}Endpoint": {**endpoint, "f": _older_fields(endpoint["f"])},
    }


def numbers(known: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Field numbers of the older types' binary form."""
    same: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
    changed = {"EndpointSlice": same, "Endpoint": _older_fields}
    return {f"{_OLD}{kind}": change(known[f"{_NEW}{kind}"]) for kind, change in changed.items()}


def _older_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(name, name): value for name, value in fields.items() if name not in _MISSING}
