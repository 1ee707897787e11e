"""EndpointSlice: the addresses behind a Service, in slices of a hundred."""

from refimpl.controllers.endpointslice.controller import EndpointSliceController

__all__ = ["EndpointSliceController"]
