"""Puts numbered items, as many as it is told or until it is told to stop; says how many."""

from __future__ import annotations

import select
import sys

from stagecache import Cache

folder, name, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
work = Cache(folder).queue("work")
number = 0
while number < most and not select.select([sys.stdin], [], [], 0)[0]:
    work.put((name, number))
    number += 1
print(number, flush=True)
