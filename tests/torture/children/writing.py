"""Keeps results until it is killed; says so after the first ones. argv: the cache, a number."""

from __future__ import annotations

import os
import sys

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry, put

store = DiskStore(sys.argv[1])
for number in range(1_000_000):
    key = os.urandom(16)
    put(store, make_entry(key), key * (2_000 if number % 4 == 0 else 5))
    if number == 20:
        print("at work", flush=True)
