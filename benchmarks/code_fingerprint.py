"""What fingerprints of code cost: the first time, in a new process, and at every call after that.

Run with ``python benchmarks/code_fingerprint.py``; it prints medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HELPERS = 50
PROCESSES = 7
HELPER = '''
def helper_{k}(rows, limit=LIMIT_{k}, *, scale=1.5):
    """Tidy some rows."""
    kept = []
    for row in rows:
        if row["delay"] is None or row["delay"] < limit:
            continue
        row = dict(row, delay=row["delay"] * scale, origin=row["origin"].strip().upper())
        try:
            kept.append((row["origin"], round(row["delay"], 2), math.sqrt(row["distance"])))
        except (KeyError, ValueError) as error:
            raise RuntimeError(f"bad row {{row!r}}") from error
    return {call}
'''

NEW_PROCESS = """
import sys, time
sys.path[:0] = sys.argv[1:3]
import pickle
from stagecache import model
from stagecache.fingerprint.code import digest as code
import stagecache.fingerprint.values
import job

class Memo:
    kept = {}
    def recall(self, kind, key): return self.kept.get((kind, key))
    def remember(self, kind, key, value): self.kept[kind, key] = value

file = sys.argv[2] + "/memo"
try:
    with open(file, "rb") as stream:
        Memo.kept = pickle.load(stream)
except FileNotFoundError:
    pass
model.memo.set(Memo())
start = time.perf_counter()
code.fingerprint_code(job.stage)
print(time.perf_counter() - start)
with open(file, "wb") as stream:
    pickle.dump(Memo.kept, stream)
"""

LOOKUP = """
import sys, time
sys.path[:0] = sys.argv[1:2]
packages = sys.argv[2:]
for package in packages:
    __import__(package)
from stagecache.fingerprint.code import fingerprint_code
from stagecache.fingerprint import origin
fingerprint_code(lambda: len([]))
assert not origin._distribution and not origin._listings
start = time.perf_counter()
found = [origin.distribution_of(package) for package in packages]
print(time.perf_counter() - start)
assert None not in found
"""
PACKAGES = ("numpy", "pandas", "pyarrow", "sklearn", "xxhash")


def job_source() -> str:
    parts = ["import math\n"]
    for k in reversed(range(HELPERS)):
        call = f"helper_{k + 1}(kept)" if k % 5 and k + 1 < HELPERS else "kept"
        parts.append(f"LIMIT_{k} = {k}\n" + HELPER.format(k=k, call=call))
    calls = "\n".join(f"    rows = helper_{k}(rows)" for k in range(HELPERS))
    parts.append(f"def stage(rows):\n{calls}\n    return rows\n")
    parts.append("TABLE = {'a': 1}\ndef with_table(x):\n    return TABLE[x]\n")
    parts.append("def alone(x):\n    return x + 1\n")
    return "\n".join(parts)


def median_of(act: Callable[[], object], times: int) -> float:
    act()
    rounds: list[float] = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(times):
            act()
        rounds.append((time.perf_counter() - start) / float(times))
    return statistics.median(rounds) * 1e6


def in_new_processes(folder: str, *, keep_memo: bool) -> float:
    root = str(Path(__file__).parents[1])
    taken: list[float] = []
    for _ in range(PROCESSES):
        if not keep_memo:
            Path(folder, "memo").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", NEW_PROCESS, root, folder],
            capture_output=True,
            text=True,
            check=True,
        )
        taken.append(float(done.stdout))
    return statistics.median(taken) * 1e3


def lookup_of(*packages: str) -> float:
    """Look up whose modules these are, in new processes; before that, none must have been."""
    root = str(Path(__file__).parents[1])
    taken = [
        float(
            subprocess.run(
                [sys.executable, "-c", LOOKUP, root, *packages],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(PROCESSES)
    ]
    return statistics.median(taken) * 1e3


def main() -> None:
    from stagecache.fingerprint.code import fingerprint_code

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job.py").write_text(job_source())
        first = in_new_processes(folder, keep_memo=False)
        print(f"first time ever, a stage with {HELPERS} helpers   {first:8.2f} ms")
        recalled = in_new_processes(folder, keep_memo=True)
        print(f"in a new process, with what was remembered   {recalled:8.2f} ms")
    found = lookup_of(*PACKAGES)
    print(f"in a new process, whose {len(PACKAGES)} packages are          {found:8.2f} ms")
    print(f"the same where no package is reached         {lookup_of():8.2f} ms")
    job: dict[str, object] = {"__name__": "job"}
    exec(compile(job_source(), "job.py", "exec"), job)
    for name, words in (
        ("stage", f"again, with {HELPERS} helpers"),
        ("with_table", "again, with a mutable global"),
        ("alone", "again, without helpers"),
    ):
        fn: Callable[..., object] = job[name]  # type: ignore[assignment]
        taken = median_of(lambda fn=fn: fingerprint_code(fn), 2000)  # type: ignore[misc]
        print(f"{words:44} {taken:8.2f} us")


if __name__ == "__main__":
    main()
