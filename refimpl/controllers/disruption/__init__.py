"""PodDisruptionBudget: how many pods may be evicted at the moment."""

from refimpl.controllers.disruption.controller import DisruptionController

__all__ = ["DisruptionController"]
