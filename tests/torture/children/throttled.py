"""Is let in by a throttle again and again, and tells between which moments each time."""

from __future__ import annotations

import sys
import time

from stagecache import Cache

directory, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with Cache(directory) as cache:
    print("ready", flush=True)
    for line in sys.stdin:
        throttle = cache.throttle(count, seconds, line.strip())
        times = []
        for _ in range(30):
            times.append(time.monotonic())
            throttle.wait_turn()
            times.append(time.monotonic())
        print(*times, flush=True)
