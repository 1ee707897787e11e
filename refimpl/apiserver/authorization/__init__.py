"""Whether a user may do something: a list of authorizers, each of which allows, denies or has no opinion.

    attributes   what somebody wants to do, from a request
    decisions    asking the authorizers, and what is said to somebody who may not
    rbac, rules  Roles, ClusterRoles and their bindings
    node         what an agent needs for its own node and pods
    policy       the roles that every cluster has from its first moment
    modes        authorizers by the names of `--authorization-mode`

Source: kube-apiserver 1.36 `pkg/kubeapiserver/authorizer`, `apiserver/pkg/endpoints/filters/authorization.go`.
"""

from __future__ import annotations

from refimpl.apiserver.authorization.attributes import Attributes, attributes_of
from refimpl.apiserver.authorization.decisions import (
    Authorizer,
    Decision,
    always_allow,
    authorize,
    check,
    refusal,
)

__all__ = ["Attributes", "Authorizer", "Decision", "always_allow", "attributes_of", "authorize", "check", "refusal"]
