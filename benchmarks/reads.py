"""What watching costs: one audit event, a body that opens a thousand files, a check of its reads.

The hook cannot be removed, so "no recorder" is what the rest of a process pays for ever. Medians
of the rounds are printed: compare within one run only. Run with
``python benchmarks/reads.py [--rounds 9] [--files 1000]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from stagecache.fingerprint.reads import Recorder, first_changed, recording

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 20_000


def seconds(action: Callable[[], object]) -> float:
    """Return the time of `action`."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def events(name: str, *arguments: object) -> None:
    """Raise one audit event many times."""
    audit = sys.audit
    for _ in range(EVENTS):
        audit(name, *arguments)


def open_all(paths: list[str]) -> None:
    """Open and close every file once."""
    for path in paths:
        os.close(os.open(path, os.O_RDONLY))


def recorded(action: Callable[[], object]) -> Recorder:
    """Run `action` under a recorder of its own."""
    recorder = Recorder()
    with recording(recorder):
        action()
    return recorder


def per_event(rounds: int, path: str) -> None:
    """Print nanoseconds per event."""
    kinds: dict[str, Callable[[], object]] = {
        "an event of no concern": lambda: events("stagecache.none"),
        "an open of the same file": lambda: events("open", path, "r", os.O_RDONLY),
    }
    print("ns per audit event")
    before = {kind: [seconds(act) for _ in range(rounds)] for kind, act in kinds.items()}
    recorded(lambda: None)
    after: dict[str, list[float]] = {kind: [] for kind in kinds}
    within: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, act in kinds.items():
            after[kind].append(seconds(act))
            with recording(Recorder()):
                within[kind].append(seconds(act))
    for kind in kinds:
        for label, times in (
            ("before the first recorder", before[kind]),
            ("no recorder", after[kind]),
            ("one recorder", within[kind]),
        ):
            print(f"  {kind:26} {label:26} {statistics.median(times) / EVENTS * 1e9:6.0f}")


def per_body(rounds: int, paths: list[str]) -> None:
    """Print microseconds per file of a body that opens many."""
    plain, watched, settled, checked = [], [], [], []
    for _ in range(rounds):
        plain.append(seconds(lambda: open_all(paths)))
        recorder = Recorder()
        with recording(recorder):
            watched.append(seconds(lambda: open_all(paths)))
        settled.append(seconds(recorder.reads))
        reads = recorder.reads()
        checked.append(seconds(lambda reads=reads: first_changed(reads)))  # type: ignore[misc]
    print(f"us per file, a body that opens {len(paths)} files of 1 KB (no memo of stats)")
    for label, times in (
        ("open and close", plain),
        ("the same, recorded", watched),
        ("digests at its end", settled),
        ("check at a lookup", checked),
    ):
        print(f"  {label:26} {statistics.median(times) / len(paths) * 1e6:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{number}.csv") for number in range(options.files)]
        for path in paths:
            with open(path, "wb") as stream:
                stream.write(path.encode().ljust(1024))
        per_event(options.rounds, paths[0])
        per_body(options.rounds, paths)


if __name__ == "__main__":
    main()
