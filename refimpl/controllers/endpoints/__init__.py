"""Endpoints: the addresses behind a Service, in one object; what 1.20 and older clients read."""

from refimpl.controllers.endpoints.config import EndpointsConfig
from refimpl.controllers.endpoints.controller import EndpointsController

__all__ = ["EndpointsConfig", "EndpointsController"]
