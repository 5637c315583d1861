"""What a process keeps for itself: mappings that let things go by a policy.

A mapping here is what cachetools offers, made safe for threads. It knows nothing of stages.
"""

from stagecache.memory.locked import Statistics
from stagecache.memory.policies import FIFO, LFU, LRU, Random
from stagecache.memory.timed import TTL, PerItemTTL

__all__ = ["FIFO", "LFU", "LRU", "TTL", "PerItemTTL", "Random", "Statistics"]
