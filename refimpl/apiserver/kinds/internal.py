"""How error texts show whole structures: with all their fields, under the names of the server's own data types.

kube-apiserver validates internal types that have no JSON names, so a text that quotes one shows
`{"Key":"k","Value":"","Effect":"NoSchedule","TimeAdded":null}`; and where a whole structure may not change, the text
ends with a unified diff of two such structures.

Source: kube-apiserver 1.36 `pkg/apis/core/types.go` and others; order and names of the fields are visible on the wire.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from typing import Any, Final

from refimpl.api.errors import Object

# One type a line: its fields in order. A field is written `GoName`, followed by
#   nothing     a text or list or map or pointer whose absence shows as null
#   ="" =0 =f   a text, number or boolean whose absence shows as that
#   :T *T []T   a structure that is always there, one behind a pointer, a list of structures
# and, where it is not the Go name with its first letter in lower case, `/jsonName`.
_TYPES: Final = {
    "Taint": 'Key="" Value="" Effect="" TimeAdded',
    "Toleration": 'Key="" Operator="" Value="" Effect="" TolerationSeconds',
    "NodeAddress": 'Type="" Address=""',
    "ServicePort": 'Name="" Protocol="" AppProtocol Port=0 TargetPort=0 NodePort=0',
    "PodDisruptionBudgetSpec": "MinAvailable Selector MaxUnavailable UnhealthyPodEvictionPolicy",
    "UpdateStrategy": 'Type="" RollingUpdate',
    "PodSpec": (
        "Volumes[]Volume InitContainers[]Container Containers[]Container EphemeralContainers[]Container "
        'RestartPolicy="" TerminationGracePeriodSeconds ActiveDeadlineSeconds DNSPolicy=""/dnsPolicy NodeSelector '
        'ServiceAccountName="" AutomountServiceAccountToken NodeName="" SecurityContext*PodSecurityContext '
        'ImagePullSecrets[]Named Hostname="" Subdomain="" SetHostnameAsFQDN Affinity*Any SchedulerName="" '
        'Tolerations[]Toleration HostAliases[]Any PriorityClassName="" Priority PreemptionPolicy '
        "DNSConfig*Any/dnsConfig ReadinessGates[]Any RuntimeClassName Overhead EnableServiceLinks "
        "TopologySpreadConstraints[]Any OS*Any/os "
        "SchedulingGates[]Named ResourceClaims[]Any Resources*Resources HostnameOverride"
    ),
    "PodSecurityContext": (
        "HostNetwork=f HostPID=f HostIPC=f ShareProcessNamespace HostUsers SELinuxOptions*Any/seLinuxOptions "
        "WindowsOptions*Any RunAsUser RunAsGroup RunAsNonRoot SupplementalGroups SupplementalGroupsPolicy "
        "FSGroup/fsGroup FSGroupChangePolicy/fsGroupChangePolicy Sysctls[]Any "
        "SeccompProfile*SeccompProfile AppArmorProfile*Any "
        "SELinuxChangePolicy/seLinuxChangePolicy"
    ),
    "Container": (
        'Name="" Image="" Command Args WorkingDir="" Ports[]ContainerPort EnvFrom[]Any Env[]EnvVar Resources:Resources '
        "ResizePolicy[]Any RestartPolicy RestartPolicyRules[]Any VolumeMounts[]VolumeMount VolumeDevices[]Any "
        'LivenessProbe*Probe ReadinessProbe*Probe StartupProbe*Probe Lifecycle*Lifecycle TerminationMessagePath="" '
        'TerminationMessagePolicy="" ImagePullPolicy="" SecurityContext*SecurityContext Stdin=f StdinOnce=f TTY=f/tty'
    ),
    "Resources": "Limits Requests Claims[]Any",
    "ContainerPort": 'Name="" HostPort=0 ContainerPort=0 Protocol="" HostIP=""',
    "EnvVar": 'Name="" Value="" ValueFrom*EnvVarSource',
    "EnvVarSource": "FieldRef*Any ResourceFieldRef*Any ConfigMapKeyRef*Any SecretKeyRef*Any FileKeyRef*Any",
    "VolumeMount": 'Name="" ReadOnly=f RecursiveReadOnly MountPath="" SubPath="" MountPropagation SubPathExpr=""',
    "Probe": (
        "Exec*Any HTTPGet*HTTPGet/httpGet TCPSocket*Any/tcpSocket GRPC*Any/grpc InitialDelaySeconds=0 TimeoutSeconds=0 "
        "PeriodSeconds=0 SuccessThreshold=0 FailureThreshold=0 TerminationGracePeriodSeconds"
    ),
    "Lifecycle": "PostStart*Handler PreStop*Handler StopSignal",
    "Handler": "Exec*Any HTTPGet*HTTPGet/httpGet TCPSocket*Any/tcpSocket Sleep*Any",
    "HTTPGet": 'Path="" Port=0 Host="" Scheme="" HTTPHeaders[]Any/httpHeaders',
    "SecurityContext": (
        "Capabilities*Capabilities Privileged SELinuxOptions*Any/seLinuxOptions WindowsOptions*Any RunAsUser "
        "RunAsGroup RunAsNonRoot ReadOnlyRootFilesystem AllowPrivilegeEscalation ProcMount "
        "SeccompProfile*SeccompProfile "
        "AppArmorProfile*Any"
    ),
    "Capabilities": "Add Drop",
    "SeccompProfile": 'Type="" LocalhostProfile',
    "StatefulSetUpdateStrategy": 'Type="" RollingUpdate*RollingUpdateStatefulSet',
    "RollingUpdateStatefulSet": "Partition=0 MaxUnavailable",
    "Named": 'Name=""',
    "Volume": (
        'Name="" HostPath*HostPath EmptyDir*EmptyDir GCEPersistentDisk*Any/gcePersistentDisk '
        "AWSElasticBlockStore*Any/awsElasticBlockStore GitRepo*Any Secret*SecretVolume NFS*NFS/nfs ISCSI*Any/iscsi "
        "Glusterfs*Any PersistentVolumeClaim*ClaimVolume RBD*Any/rbd Quobyte*Any FlexVolume*Any Cinder*Any "
        "CephFS*Any/cephfs Flocker*Any DownwardAPI*Any FC*Any/fc AzureFile*Any ConfigMap*ConfigMapVolume "
        "VsphereVolume*Any AzureDisk*Any PhotonPersistentDisk*Any Projected*Any PortworxVolume*Any ScaleIO*Any "
        "StorageOS*Any/storageos CSI*Any/csi Ephemeral*Any Image*Any"
    ),
    "HostPath": 'Path="" Type',
    "NFS": 'Server="" Path="" ReadOnly=f',
    "CSINodeDriver": 'Name="" NodeID="" TopologyKeys Allocatable*Any',
    "PersistentVolumeClaimSpec": (
        'AccessModes Selector*Any Resources:VolumeResources VolumeName="" StorageClassName VolumeMode DataSource*Any '
        "DataSourceRef*Any VolumeAttributesClassName"
    ),
    "VolumeResources": "Limits Requests",
    "EmptyDir": 'Medium="" SizeLimit',
    "SecretVolume": 'SecretName="" Items[]Any DefaultMode Optional',
    "ConfigMapVolume": 'Name="" Items[]Any DefaultMode Optional',
    "ClaimVolume": 'ClaimName="" ReadOnly=f',
    "PersistentVolumeSource": (
        "GCEPersistentDisk*Any/gcePersistentDisk AWSElasticBlockStore*Any/awsElasticBlockStore HostPath*HostPath "
        "Glusterfs*Any NFS*NFS/nfs RBD*Any/rbd Quobyte*Any ISCSI*Any/iscsi FlexVolume*Any Cinder*Any CephFS*Any/cephfs "
        "FC*Any/fc Flocker*Any AzureFile*Any VsphereVolume*Any AzureDisk*Any PhotonPersistentDisk*Any "
        "PortworxVolume*Any ScaleIO*Any Local*Any StorageOS*Any/storageos CSI*Any/csi"
    ),
}

_EMPTY: Final[dict[str, Any]] = {'""': "", "0": 0, "f": False}


def shown(kind: str, value: Object) -> Object:
    """A value of the API as the server's own structure shows it.

    Args:
        kind: name of a type in the table of this module.
        value: the object on the wire.
    """
    return {go_name: _field(mark, of, value.get(key)) for go_name, key, mark, of in _fields(kind)}


def difference(kind: str, before: Object, after: Object) -> str:
    """The unified diff of two structures, printed as JSON with one blank a level."""
    diff = difflib.unified_diff(_lines(kind, before), _lines(kind, after), lineterm="")
    return "".join(f"{line}\n" for line in list(diff)[2:])


def _lines(kind: str, value: Object) -> list[str]:
    return json.dumps(shown(kind, value), indent=1, ensure_ascii=False).splitlines()


@cache
def _fields(kind: str) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(_parse(field) for field in _TYPES[kind].split())


def _parse(field: str) -> tuple[str, str, str, str]:
    """Go name, JSON name, mark and what stands behind the mark."""
    field, _, key = field.partition("/")
    for mark in ("[]", "=", ":", "*"):
        go_name, found, of = field.partition(mark)
        if found:
            break
    else:
        go_name, mark, of = field, "", ""
    return go_name, key or go_name[0].lower() + go_name[1:], mark, of


def _field(mark: str, of: str, value: Any) -> Any:
    match mark:
        case "=":
            return _EMPTY[of] if value is None else value
        case ":":
            return _structure(of, value or {})
        case "*":
            return None if value is None else _structure(of, value)
        case "[]":
            return [_structure(of, item) for item in value] if value else None
        case _:
            return value or None if isinstance(value, list | dict) else value


def _structure(kind: str, value: Object) -> Any:
    return _capitalized(value) if kind == "Any" else shown(kind, value)


def _capitalized(value: Any) -> Any:
    """A structure that the table does not know: only the fields that are there."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _capitalized(item) for key, item in value.items()}
    return [_capitalized(item) for item in value] if isinstance(value, list) else value
