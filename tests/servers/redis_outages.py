"""Ways in which a Redis can be out of reach."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from servers.redis import RedisServer


@contextmanager
def dropping(port: int) -> Iterator[None]:
    """Drop every connection to a port as soon as it is there."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def drop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        thread = threading.Thread(target=drop)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def out_of_reach(server: RedisServer, how: str) -> Iterator[None]:
    """Let a server be ``killed``, ``paused`` or ``dropping`` connections while the block runs."""
    if how == "paused":
        server.pause()
        yield
        server.resume()
        return
    server.stop()
    if how == "dropping":
        with dropping(server.port):
            yield
    else:
        yield
    server.start()
