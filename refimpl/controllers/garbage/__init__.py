"""Garbage collection: objects go when the last of their owners is gone."""

from refimpl.controllers.garbage.controller import GarbageCollector

__all__ = ["GarbageCollector"]
