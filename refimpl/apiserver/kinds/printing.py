"""Parts that the Table columns of several kinds share: ages, label lists, containers, selectors.

Source: kube-apiserver 1.36 `pkg/printers/internalversion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from refimpl.api import selectors
from refimpl.api.errors import Object
from refimpl.apiserver.strategy import Column
from refimpl.clock import Clock, parse_time

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600
_STEPS = (
    # below so many seconds: the large unit and, where it is shown, the small one
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * 365 * _DAY, _DAY, "d", 0, ""),
)


def human_duration(seconds: float) -> str:
    """A duration as kubectl prints ages: at most two units, `<invalid>` when it lies in the future."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(int(seconds), 0)
    for limit, large, large_unit, small, small_unit in _STEPS:
        if whole < limit:
            return _two(whole // large, large_unit, whole % large // small if small else 0, small_unit)
    days = whole // _DAY
    return _two(days // 365, "y", days % 365 if days < 365 * 8 else 0, "d")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(stamp: str | None, now: datetime) -> str:
    """Time passed since a stamp of the API; `<unknown>` when there is none."""
    return human_duration((now - parse_time(stamp)).total_seconds()) if stamp else UNKNOWN


def age(obj: Object, clock: Clock) -> str:
    """Cell of an `Age` column."""
    return since(obj["metadata"].get("creationTimestamp"), clock.now())


def name(obj: Object, _clock: Clock) -> str:
    """Cell of a `Name` column."""
    return str(obj["metadata"].get("name", ""))


NAME = Column("Name", name, format="name", documents="metadata.name")
AGE = Column("Age", age, documents="metadata.creationTimestamp")


def field(path: str, default: object = "") -> Callable[[Object, Clock], object]:
    """A cell that shows one field.

    Args:
        path: dotted, e.g. `status.phase`.
        default: shown when the field is absent.
    """
    keys = path.split(".")

    def cell(obj: Object, _clock: Clock) -> object:
        return dig(obj, keys, default)

    return cell


def dig(obj: Object, keys: Iterable[str], default: object = None) -> object:
    """The value below a sequence of keys, or the default where one of them is missing."""
    value: object = obj
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return default
    return value


def format_labels(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted; `<none>` without labels."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def format_selector(selector: Object | None) -> str:
    """A LabelSelector as the list API would take it; `<none>` when it is absent or empty."""
    try:
        return str(selectors.from_object(selector)) or NONE
    except ValueError:
        return "<error>"


def more(items: list[str], count: int, limit: int = 3) -> str:
    """The first items, and how many more there are; `<unset>` when there is none."""
    text = ",".join(items[:limit])
    return f"{text} + {count - limit} more..." if count > limit else text or UNSET


def template_columns(selector: str | None = "spec.selector", *, template: str = "spec.template") -> tuple[Column, ...]:
    """The wide columns of every kind with a pod template: containers, images, selector.

    Args:
        selector: path of the LabelSelector; None leaves the column out.
        template: path of the pod template.
    """
    columns = containers_columns(template, priority=1)
    return columns if selector is None else (*columns, selector_column(selector))


def containers_columns(template: str, *, priority: int = 0) -> tuple[Column, Column]:
    """The columns that list the names and the images of a pod template's containers."""
    keys = [*template.split("."), "spec", "containers"]

    def listing(attribute: str) -> Callable[[Object, Clock], object]:
        def cell(obj: Object, _clock: Clock) -> object:
            containers = dig(obj, keys, [])
            assert isinstance(containers, list)
            return ",".join(container.get(attribute, "") for container in containers)

        return cell

    names_text, images_text = (
        "Names of each container in the template.",
        "Images referenced by each container in the template.",
    )
    return (
        Column("Containers", listing("name"), description=names_text, priority=priority),
        Column("Images", listing("image"), description=images_text, priority=priority),
    )


def selector_column(path: str) -> Column:
    """The wide `Selector` column for a LabelSelector or a plain map."""
    keys = path.split(".")

    def cell(obj: Object, _clock: Clock) -> object:
        selector = dig(obj, keys)
        assert selector is None or isinstance(selector, dict)
        is_map = selector is not None and all(isinstance(value, str) for value in selector.values())
        return format_labels(selector) if is_map else format_selector(selector)

    return Column("Selector", cell, documents=path, priority=1)
