"""Servers that only leases among machines need."""

from servers.redis_topologies import (  # noqa: F401
    _redis_cluster_of_all,
    redis_cluster,
    redis_sentinel,
)
