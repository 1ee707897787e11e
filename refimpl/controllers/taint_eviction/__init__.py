"""Taint eviction: pods that do not tolerate a NoExecute taint of their node are deleted, at once or in time.

Source: kube-controller-manager 1.36 `taint-eviction-controller` (up to 1.28 part of the node lifecycle controller).
"""

from refimpl.controllers.taint_eviction.controller import TaintEvictionController

__all__ = ["TaintEvictionController"]
