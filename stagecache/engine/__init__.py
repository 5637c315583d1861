"""The engine: it alone conducts lookups, leases, bodies and publishing."""

from stagecache.engine.context import Context
from stagecache.engine.engine import Engine

__all__ = ["Context", "Engine"]
