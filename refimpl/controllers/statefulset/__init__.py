"""StatefulSet: pods with names and volumes of their own, one of each, one after the other."""

from refimpl.controllers.statefulset.controller import StatefulSetController

__all__ = ["StatefulSetController"]
