"""A no-op rerun of a generated chain of 1,000 stages, beside joblib and checkpointer.

Each contender runs the chain once to fill its store, then a fresh process reruns it (first
rerun) and reruns it again (second rerun). The time is that of the whole call, tracing included;
imports are done before. Run with ``python benchmarks/noop_chain.py [--stages 1000] [--bytes 10]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

CHAINS = {
    "stagecache": """
import time
from stagecache import current, pipeline, stage
current()  # imports the engine, as importing joblib or checkpointer does theirs
{steps}
@pipeline
def chain():
    value = b"start"
{calls}
    return value
def run():
    return chain()
""",
    "joblib": """
import os, time
from joblib import Memory
memory = Memory(os.environ["BENCH_DIRECTORY"], verbose=0)
stage = memory.cache
{steps}
def run():
    value = b"start"
{calls}
    return value
""",
    "checkpointer": """
import os, time
from pathlib import Path
import checkpointer
from checkpointer import Checkpointer
stage = Checkpointer(directory=os.environ["BENCH_DIRECTORY"], verbosity=0)
{steps}
def run():
    value = b"start"
{calls}
    return value
""",
}
STEP = """
@stage
def step_{i}(value):
    return b"%08d" % {i} + bytes({size} - 8)
"""
MAIN = """
if __name__ == "__main__":
    import json, sys
    times = []
    for _ in range(int(sys.argv[1])):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    print(json.dumps(times))
"""


def times(contender: str, stages: int, size: int, repeats: int) -> tuple[float, float, float]:
    """Return the seconds of (cold run, first rerun in a fresh process, second rerun), medians."""
    with tempfile.TemporaryDirectory() as folder:
        steps = "".join(STEP.format(i=i, size=size) for i in range(stages))
        calls = "".join(f"    value = step_{i}(value)\n" for i in range(stages))
        path = os.path.join(folder, "chain.py")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(CHAINS[contender].format(steps=steps, calls=calls) + MAIN)
        directory = os.path.join(folder, "cache")
        env = {**os.environ, "STAGECACHE_DIRECTORY": directory, "BENCH_DIRECTORY": directory}

        def fresh(count: int) -> list[float]:
            done = subprocess.run(
                [sys.executable, path, str(count)],
                env=env, cwd=folder, capture_output=True, text=True, check=True,
            )  # fmt: skip
            return list(json.loads(done.stdout.splitlines()[-1]))

        cold = fresh(1)[0]
        reruns = [fresh(3) for _ in range(repeats)]
    return (
        cold,
        statistics.median(r[0] for r in reruns),
        statistics.median(min(r[1:]) for r in reruns),
    )


def main() -> None:
    """Print one row a contender and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=1000)
    parser.add_argument("--bytes", type=int, nargs="+", default=[10, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=CHAINS)
    options = parser.parse_args()
    print(f"{options.stages} stages; ms: cold, first rerun of a fresh process, second rerun")
    for size in options.bytes:
        for contender in [options.only] if options.only else CHAINS:
            cold, first, second = times(contender, options.stages, size, options.repeats)
            print(
                f"{size:>10} bytes  {contender:<12} {cold * 1e3:9.1f} {first * 1e3:9.1f} "
                f"{second * 1e3:9.1f}"
            )


if __name__ == "__main__":
    main()
