"""kube-scheduler: finds a node for every pod that has none, and binds it there.

One cycle is a pure function of the scheduler's picture of the cluster (`algorithm`, `preemption`); around it are the
picture itself (`cache`, kept by `eventhandlers`), the queue of waiting pods (`schedulingqueue`) and what is written to
the API (`binding`, `failure`, `eviction`, `recorder`).

Of the default profile of kube-scheduler 1.36 there are: NodeUnschedulable, NodeName, TaintToleration, NodeAffinity,
NodePorts, NodeResourcesFit, PodTopologySpread, InterPodAffinity, NodeResourcesBalancedAllocation, SchedulingGates,
PrioritySort, DefaultPreemption, DefaultBinder. There are not: the volume plug-ins (a pod's claims do not tie it to a
node), DynamicResources, ImageLocality, gangs; of InterPodAffinity's scores only those of the pod's own preferences.
"""

from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.scheduler import Scheduler

__all__ = ["Scheduler", "SchedulerConfig"]
