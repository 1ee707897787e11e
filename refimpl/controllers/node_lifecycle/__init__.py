"""Node lifecycle: heartbeats, the Ready condition of silent nodes, their taints, their pods' readiness.

Where a behaviour lives:

* `health`: what counts as a heartbeat, and what is written when there is none;
* `taints`: which condition leads to which taint;
* `zones`, `disruption`: how many zones are how badly hit, and what that does to the eviction rate;
* `queue`: the rate-limited queue in front of the NoExecute taint;
* `labels`: the beta labels kept in step;
* `writer`: the requests all this leads to;
* `monitor`: the pass over all nodes; `controller`: the loops.

Source: kube-controller-manager 1.36 `node_lifecycle_controller`.
"""

from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig
from refimpl.controllers.node_lifecycle.controller import NodeLifecycleController

__all__ = ["NodeLifecycleConfig", "NodeLifecycleController"]
