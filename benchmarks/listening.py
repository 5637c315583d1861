"""What a process pays that imports stagecache, if no stage ever runs in it.

The import itself, over bare Python, and what the user's code asks of files and of the environment,
once with stagecache imported and once without, a few calls below the top. Processes take turns;
medians are printed. Run with ``python benchmarks/listening.py [--rounds 15]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = {"bare Python": "pass", "import stagecache": "import stagecache"}
QUESTIONS = ("os.environ.get", "os.environ[...]", "os.stat", "os.path.exists", "os.getcwd", "open")
ASKING = """
import os, sys, timeit
if sys.argv[1] == "with": import stagecache
def get(): return os.environ.get("NOT_THERE")
def item(): return os.environ["PATH"]
def stat(): return os.stat(__file__)
def exists(): return os.path.exists(__file__)
def cwd(): return os.getcwd()
def opened():
    with open(__file__): pass
def below(depth, ask):
    if depth: return below(depth - 1, ask)
    return min(timeit.repeat(ask, number=2000, repeat=5)) / 2000 * 1e6
print(*[below(int(sys.argv[2]), ask) for ask in (get, item, stat, exists, cwd, opened)])
"""


def run(*words: str) -> tuple[float, str]:
    """Run Python; return the seconds that took, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, done.stdout


def asked(script: Path, how: str, depth: int) -> list[float]:
    """Return the microseconds of each question."""
    return [float(word) for word in run(str(script), how, str(depth))[1].split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = range(parser.parse_args().rounds)
    taken: dict[str, list[float]] = {what: [] for what in IMPORTS}
    for _ in rounds:
        for what, program in IMPORTS.items():
            taken[what].append(run("-c", program)[0])
    bare, whole = (statistics.median(times) * 1e3 for times in taken.values())
    print(f"bare Python {bare:.1f} ms, with import stagecache {whole:.1f} ms: + {whole - bare:.1f}")
    print(f"{'us, asked by the user, ... calls deep':40}{'without':>9}{'with':>8}")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "asking.py")
        script.write_text(ASKING)
        for depth in (0, 20):
            found: dict[str, list[list[float]]] = {"without": [], "with": []}
            for _ in rounds[:5]:
                for how, rows in found.items():
                    rows.append(asked(script, how, depth))
            without, with_it = (
                [statistics.median(column) for column in zip(*rows, strict=True)]
                for rows in found.values()
            )
            for what, one, other in zip(QUESTIONS, without, with_it, strict=True):
                print(f"  {what:30}{depth:6}  {one:9.2f}{other:8.2f}")


if __name__ == "__main__":
    main()
