"""Holds a value that is mapped from its blob and says whether it is whole. argv: the cache, a key.

A line asks for it; the answer is `whole`, or what is wrong.
"""

from __future__ import annotations

import sys

from stagecache.stores.disk import DiskStore

store = DiskStore(sys.argv[1])
entry = store.get(bytes.fromhex(sys.argv[2]))
assert entry is not None
(held,) = store.load(entry)
print("held", flush=True)
for line in sys.stdin:
    (whole,) = {bytes(held[start : start + 10]) for start in range(0, len(held), 10)}
    print("whole" if whole == line.strip().encode() else f"wrong: {whole!r}", flush=True)
