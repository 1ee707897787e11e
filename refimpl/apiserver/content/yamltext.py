"""YAML as kube-apiserver writes it: keys sorted, lists not indented, look-alikes of other types quoted."""

from __future__ import annotations

from typing import Any

import yaml

_STRING = "tag:yaml.org,2002:str"
_LOOK_LIKE_BOOLEANS = frozenset({"y", "Y", "n", "N"})


class _Dumper(yaml.SafeDumper):
    """The safe dumper with Go's choice of quotes, and without references to shared parts."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return dumper.represent_scalar(_STRING, text, style="|")
    looks_otherwise = dumper.resolve(yaml.ScalarNode, text, (True, False)) != _STRING  # type: ignore[no-untyped-call]
    if looks_otherwise or text in _LOOK_LIKE_BOOLEANS:
        return dumper.represent_scalar(_STRING, text, style='"')
    return dumper.represent_scalar(_STRING, text)


_Dumper.add_representer(str, _represent_string)


def encode(value: Any) -> bytes:
    """A JSON value as YAML text."""
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=True).encode()
