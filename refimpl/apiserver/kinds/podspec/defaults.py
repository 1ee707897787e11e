"""Defaults of pod specs, in pods and in templates.

Source: kube-apiserver 1.36 `pkg/apis/core/v1` (defaults and conversion).
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import quantities
from refimpl.apiserver.kinds.podspec import images, references, volumes

GRACE_SECONDS = 30
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def set_spec_defaults(spec: Object) -> None:
    """Fills in a pod spec, wherever it stands."""
    spec.setdefault("containers", [])
    for list_name in CONTAINER_LISTS:
        for container in spec.get(list_name) or []:
            set_container_defaults(container)
    for volume in spec.get("volumes") or []:
        volumes.set_defaults(volume)
    _default(spec, "restartPolicy", "Always")
    _default(spec, "dnsPolicy", "ClusterFirst")
    _default(spec, "schedulerName", "default-scheduler")
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    grace_period(spec)
    _service_account(spec)
    quantities.canonicalize(spec, "overhead")
    quantities.canonicalize(spec.get("resources") or {}, "limits", "requests")


def grace_period(spec: Object) -> None:
    """Thirty seconds unless told otherwise; a negative period counts as one second."""
    seconds = spec.get("terminationGracePeriodSeconds")
    if seconds is None:
        spec["terminationGracePeriodSeconds"] = GRACE_SECONDS
    elif seconds < 0:
        spec["terminationGracePeriodSeconds"] = 1


def _service_account(spec: Object) -> None:
    """`serviceAccount` is the old spelling of `serviceAccountName`; both are shown."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def set_container_defaults(container: Object) -> None:
    """Fills in one container of any sort."""
    _default(container, "imagePullPolicy", images.default_pull_policy(container.get("image", "")))
    _default(container, "terminationMessagePath", "/dev/termination-log")
    _default(container, "terminationMessagePolicy", "File")
    quantities.canonicalize(container.setdefault("resources", {}), "limits", "requests")
    for port in container.get("ports") or []:
        _default(port, "protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            set_probe_defaults(container[probe])
    for hook in ("postStart", "preStop"):
        set_handler_defaults((container.get("lifecycle") or {}).get(hook) or {})
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        references.field_reference(source.get("fieldRef"))
        references.resource_reference(source.get("resourceFieldRef"))


def set_probe_defaults(probe: Object) -> None:
    """Fills in a probe."""
    for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        _default(probe, key, value)
    set_handler_defaults(probe)


def set_handler_defaults(handler: Object) -> None:
    """Fills in what a probe or a life-cycle hook does."""
    get = handler.get("httpGet")
    if get is not None:
        _default(get, "path", "/")
        _default(get, "scheme", "HTTP")
    call = handler.get("grpc")
    if call is not None and call.get("service") is None:
        call["service"] = ""


def set_pod_defaults(pod: Object) -> None:
    """What is filled in for a pod, but not for a template."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    for container in containers:
        default_requests(container["resources"])
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        for container in containers:
            for port in container.get("ports") or []:
                _default(port, "hostPort", port.get("containerPort", 0))


def default_requests(resources: Object) -> None:
    """A limit is also the request unless a request is given."""
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _default(parent: Object, key: str, value: object) -> None:
    """Sets what is absent, null, empty or zero: the API does not tell these apart for such fields."""
    if not parent.get(key) and value:
        parent[key] = value
