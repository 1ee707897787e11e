"""Namespaces that are being deleted: their content goes first, then they are finalized."""

from refimpl.controllers.namespace.controller import NamespaceController

__all__ = ["NamespaceController"]
