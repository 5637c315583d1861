"""Keeps results, or items, in two threads until it is told to end; refusals are counted.

argv: the cache, "results" or "items". A line: ends, tries once more, and tells of both.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import warnings

from stagecache.errors import StagecacheWarning, StoreError
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put

faulthandler.enable()
warnings.simplefilter("ignore", StagecacheWarning)  # that items were lost is said, as it should be
store = DiskStore(sys.argv[1])
items = store.items.open("a", "index")
refused = 0
last = ""
over = threading.Event()
lock = threading.Lock()


def result() -> bool:
    key = os.urandom(16)
    kept = put(store, make_entry(key), key * 60)
    entry = store.get(kept.key)
    return entry is not None and load(store, entry) == [key * 60]


def item() -> bool:
    key = os.urandom(16)
    items.set(key, "bytes", key * 60)
    found = items.get(key)
    return found is not None and found[1] == key * 60


keep = result if sys.argv[2] == "results" else item


def try_it() -> bool:
    global refused, last
    try:
        return keep()
    except StoreError as error:
        with lock:
            refused += 1
            last = str(error)
        return False


def work() -> None:
    while not over.is_set():
        try_it()


threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
print("at work", flush=True)
sys.stdin.readline()
over.set()
for thread in threads:
    thread.join()
# What was done to the file last may show at the first of these only.
print("goes on" if any(try_it() for _ in range(4)) else f"refuses: {last}", flush=True)
print(refused, flush=True)
sys.stdin.readline()
store.close()
