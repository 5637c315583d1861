"""What an error of redis-py means: an outage, a refusal, or a mistake in our program."""

from __future__ import annotations

import redis
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,  # noqa: A004
    RedisClusterException,
    RedisError,
    TimeoutError,  # noqa: A004
)

OUTAGES = (ConnectionError, TimeoutError, ClusterDownError, RedisClusterException, OSError)
"""Nobody is served at present."""

TROUBLE = (RedisError, RedisClusterException, redis.ChildDeadlockedError, OSError)
"""All that can go wrong beside a server."""


def is_refused_password(error: BaseException) -> bool:
    """Tell whether user or password were refused; a cluster buries that, it tries all nodes."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, AuthenticationError):
            return True
        below = below.__cause__ or below.__context__
    return False
