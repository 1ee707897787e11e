"""Settings of the controllers of Services."""

from __future__ import annotations

import attrs


@attrs.frozen
class EndpointsConfig:
    """Endpoints and EndpointSlices. Defaults of kube-controller-manager 1.36.

    Attributes:
        endpoint_updates_batch_period: wait so long for more changes of pods before Endpoints are written.
        endpointslice_updates_batch_period: wait so long for more changes of pods before EndpointSlices are written.
        max_endpoints_per_slice: endpoints in one EndpointSlice, at most.
    """

    endpoint_updates_batch_period: float = 0.0
    endpointslice_updates_batch_period: float = 0.0
    max_endpoints_per_slice: int = 100
