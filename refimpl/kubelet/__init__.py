"""The node: registers itself, reports on itself, and runs the pods that are bound to it.

A `Kubelet` is a client of the API and of a container runtime. What it decides is in pure functions; the loops around
them only wait, read and write:

    node.registration, heartbeat, lease       the three conversations with the master that make a node a node
    node.capacity, conditions, addresses      what the node says about itself, computed from facts and the self-check
    node.nodestatus                           those put together into a Node object
    pods.admission                            whether a bound pod fits
    pods.podactions, podstatus, crashloop     what to start and kill next, and what that looks like in the pod's status
    pods.podworker, termination, probes       the loops that do it
    pods.statusmanager                        pod statuses on their way to the master
    eviction, pressure                        signals and thresholds: pressure, and which pod goes first
    runtime                                   where containers live: simulated, processes of this machine, or Docker's
    machine                                   what the machine has, and how much of it is in use
    http                                      the kubelet's own server: logs, and streams into containers

Behaviour follows kubelet 1.36; `era` says what 1.20 and 1.5 did otherwise.
"""

from refimpl.kubelet.config import ConfigError, KubeletConfig
from refimpl.kubelet.kubelet import Kubelet

__all__ = ["ConfigError", "Kubelet", "KubeletConfig"]
