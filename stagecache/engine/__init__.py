"""The engine: it alone conducts lookups, leases, bodies and publishing."""

from stagecache.engine.context import Context
from stagecache.engine.engine import Engine
from stagecache.engine.recompute import Sample, recompute

__all__ = ["Context", "Engine", "Sample", "recompute"]
