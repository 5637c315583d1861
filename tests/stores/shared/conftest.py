"""Servers that only shelves need."""

from servers.memcached import _memcached_of_all, memcached, own_memcached  # noqa: F401
from servers.redis_topologies import (  # noqa: F401
    _redis_cluster_of_all,
    redis_cluster,
    redis_sentinel,
)
from servers.s3 import _s3_server_of_all, s3_endpoint, s3_server  # noqa: F401
