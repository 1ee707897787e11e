"""Deployment: pods move from one template to the next through ReplicaSets, a few at a time."""

from refimpl.controllers.deployment.controller import DeploymentController

__all__ = ["DeploymentController"]
