"""ReplicationController and ReplicaSet: a number of equal pods is kept alive. One controller serves both kinds."""

from refimpl.controllers.replication.controller import ReplicaController, replica_sets, replication_controllers

__all__ = ["ReplicaController", "replica_sets", "replication_controllers"]
