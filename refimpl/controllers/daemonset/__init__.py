"""DaemonSet: one pod on every node that suits it."""

from refimpl.controllers.daemonset.controller import DaemonSetController

__all__ = ["DaemonSetController"]
