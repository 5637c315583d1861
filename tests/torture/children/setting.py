"""Sets items of one index again and again, until it is killed."""

from __future__ import annotations

import os
import sys

from stagecache import Cache

index = Cache(sys.argv[1]).index("a")
print("ready", flush=True)
large = 0
while True:
    number = int(index.get("n", 0)) + 1
    with index.transact():
        index["n"] = number
        index["twin"] = str(number) * (30_000 if number % 5 == 0 else 10)
    index["small"] = os.urandom(10) * 10
    index["large"] = os.urandom(10) * 5_000
    if number % 3 == 0:
        index.pop("small")
    index.add(("kept", number), number)
    print(number, flush=True)
