"""`transient`: like `attrs.frozen` for classes of which every request, or every look at a node, makes an instance.

The type checker holds them frozen. At run time nobody checks, because making a frozen instance takes three times as
long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as transient
else:
    from attrs import define as transient

__all__ = ["transient"]
