"""Pod garbage collection: pods that nobody will ever finish.

Source: kube-controller-manager 1.36 `pod-garbage-collector-controller`.
"""

from refimpl.controllers.pod_gc.config import PodGCConfig
from refimpl.controllers.pod_gc.controller import PodGCController

__all__ = ["PodGCConfig", "PodGCController"]
