"""Takes items, notes each in a file of its own, and says that it is done; ends at None."""

from __future__ import annotations

import os
import sys

from stagecache import Cache

work = Cache(sys.argv[1]).queue("work", max_deliveries=1_000)
notes = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("ready", flush=True)
while (item := work.get()) is not None:
    os.write(notes, b"%d %d\n" % item)
    work.task_done()
work.task_done()
