"""Servers that processes share."""

from servers.s3 import _s3_server_of_all, s3_server  # noqa: F401
