"""Several commands in one round trip, on one connection that stays ours for as long as it takes.

redis-py's own pipelines wait for the answer to each command before MULTI. What is watched and
what is asked for can go together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.remote.redis_clients import Client


def pool_of(client: Client, name: str | None = None) -> Any:
    """Return the connections to the server that has `name`; without a name, to any one.

    Raises
    ------
    redis.exceptions.RedisClusterException
        If no node of a cluster has it.
    """
    if not isinstance(client, RedisCluster):
        return client.connection_pool
    node = client.get_random_node() if name is None else client.get_node_from_key(name)
    return client.get_redis_connection(node).connection_pool


@contextmanager
def pinned(client: Client, name: str) -> Iterator[Any]:
    """Lend a connection to the server that has `name`."""
    pool = pool_of(client, name)
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()  # in the middle of an answer, or with names still watched
        raise
    finally:
        pool.release(connection)


def exchange(connection: Any, *commands: Sequence[str | bytes | int]) -> list[Any]:
    """Send commands together and return their answers; one that is refused answers an exception.

    Raises
    ------
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
        If there is no answer.
    """
    connection.send_packed_command(connection.pack_commands(commands))
    answers = []
    for _ in commands:
        try:
            answers.append(connection.read_response())
        except ResponseError as error:
            answers.append(error)
    return answers
