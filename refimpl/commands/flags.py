"""Flags from configuration classes: every field of an attrs class is a flag of the same name.

`node_monitor_grace_period: float = 50.0` becomes `--node-monitor-grace-period 50s`. Numbers that mean seconds take Go
durations (`1m30s`) as well as plain numbers. The help text is the field's line in the class docstring.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs
import durationpy

C = TypeVar("C")


def add_flags(parser: argparse.ArgumentParser, config: type[Any], *, leave_out: Iterable[str] = ()) -> None:
    """Adds one flag a field; fields of types that no flag can carry are passed over."""
    group = parser.add_argument_group(_title(config))
    texts = field_texts(config)
    hints = get_type_hints(config)
    for field in attrs.fields(config):
        reader = _reader(hints[field.name])
        if reader is None or field.name in leave_out:
            continue
        flag = "--" + field.name.replace("_", "-")
        text = texts.get(field.name, "").replace("%", "%%")
        if reader is _boolean:
            group.add_argument(flag, dest=field.name, nargs="?", const=True, type=_boolean, help=text, metavar="BOOL")
        else:
            group.add_argument(flag, dest=field.name, type=reader, help=text, metavar=_metavar(hints[field.name]))


def from_flags(config: type[C], parsed: argparse.Namespace, **fixed: Any) -> C:
    """Builds the configuration from the flags that were given; the others keep their defaults.

    Args:
        config: the attrs class.
        parsed: what argparse found.
        **fixed: fields set by the caller.
    """
    return config(**{**given_flags(config, parsed), **fixed})


def given_flags(config: type[Any], parsed: argparse.Namespace) -> dict[str, Any]:
    """The flags that were given, by field."""
    return {
        field.name: getattr(parsed, field.name)
        for field in attrs.fields(config)
        if getattr(parsed, field.name, None) is not None
    }


def field_texts(config: type[Any]) -> dict[str, str]:
    """The texts of the `Attributes:` (or `Args:`) section of a Google-style class docstring."""
    match = re.search(r"(?:Attributes|Args):\n((?:[ ]{4,}.*\n?|\n)+)", config.__doc__ or "")
    if not match:
        return {}
    texts: dict[str, str] = {}
    name = ""
    for line in match.group(1).splitlines():
        start = re.match(r" {4,8}(\w+): (.*)", line)
        if start and not line.startswith(" " * 10):
            name = start.group(1)
            texts[name] = start.group(2).strip()
        elif name and line.strip():
            texts[name] += " " + line.strip()
    return texts


def _title(config: type[Any]) -> str:
    summary = (config.__doc__ or config.__name__).strip().splitlines()[0]
    return summary.rstrip(".")


def _reader(hint: Any) -> Callable[[str], Any] | None:
    hint = _without_none(hint)
    if hint in _READERS:
        return _READERS[hint]
    if _is_literal(hint):
        return str
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping) and arguments == (str, str):
        return _pairs
    if origin is tuple and arguments == (str, ...):
        return _words
    return None


def _without_none(hint: Any) -> Any:
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    return arguments[0] if len(arguments) == 1 and type(None) in get_args(hint) else hint


def _is_literal(hint: Any) -> bool:
    return all(isinstance(argument, str) for argument in get_args(hint)) and bool(get_args(hint))


def _metavar(hint: Any) -> str:
    hint = _without_none(hint)
    if hint is float:
        return "DURATION"
    if hint is int:
        return "N"
    if _is_literal(hint):
        return "|".join(get_args(hint))
    return "KEY=VALUE,..." if get_origin(hint) not in {None, tuple} else "TEXT"


def _boolean(text: str) -> bool:
    if text.lower() in {"true", "1", "t", "yes"}:
        return True
    if text.lower() in {"false", "0", "f", "no"}:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _seconds_or_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(durationpy.from_str(text).total_seconds())
    except (ValueError, durationpy.DurationError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor a duration such as 1m30s") from None


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, text.split(",")):
        key, sign, value = part.partition("=")
        if not sign:
            raise argparse.ArgumentTypeError(f"{part!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


_READERS: Mapping[Any, Callable[[str], Any]] = {bool: _boolean, int: int, float: _seconds_or_number, str: str}
