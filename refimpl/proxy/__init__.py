"""kube-proxy: makes the addresses of Services lead to pods that are ready.

endpoints   which pods are behind a port of a Service, from EndpointSlices or Endpoints
rules       the pure decision: Services and endpoints -> rules
balancer    which endpoint the next connection gets
dataplane   rules in force: sockets of this process (`userspace`), the kernel (`iptables`), or none at all
proxier     the loop that keeps the rules what the API says
health      what load balancers and people ask
"""

from refimpl.proxy.config import ProxyConfig
from refimpl.proxy.proxier import Proxier

__all__ = ["Proxier", "ProxyConfig"]
