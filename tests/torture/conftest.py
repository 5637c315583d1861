"""The frame of the torture tests: each tries one promise again and again for its share of time.

`make torture SECONDS=60` runs them; the ordinary tests leave them out. A torture test takes the
fixture `rounds`:

    def test_a_flipped_bit_is_a_miss(rounds):
        for number in rounds(10_000, "flips"):
            if not is_miss(number):
                rounds.failed(f"bit {number}")

It is asked for at most 10,000 rounds and gets as many as fit in its share of the seconds, but
never fewer than `least`. The end of the run tells of each test in one line, made of its name:

    a flipped bit is a miss: 10000 flips, 0 failures

`rounds.failed(what)` counts a failure and goes on; an exception counts as one and ends the test.
`rounds.note(text)` adds to the line. A test that cannot run here calls `pytest.skip` and says why.
`rounds.seconds` is what is left of the share, for a test that hands it to processes of its own;
`rounds.count(n, "commits")` then says how much they did.

Programs for processes of one's own lie in `children`, which is not collected. The fixture `child`
starts one, `child("killing.py", folder)`; it is asked and answers in lines, and is gone at the end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

collect_ignore = ["children"]
_CHILDREN = Path(__file__).parent / "children"
_SLACK = 120
"""Seconds after which a test that does not heed its share is stopped."""
_SHOWN = 5
_STARTED = pytest.StashKey[float]()
_LEAST = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", type=float, metavar="SECONDS", help="run the torture tests")


def _seconds(config: pytest.Config) -> float | None:
    return config.getoption("--torture", default=None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if _seconds(config) is None else None


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {})
    config.stash[_STARTED] = given.get("torture_started", time.time())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist when the whole run began."""
    node.workerinput["torture_started"] = node.config.stash[_STARTED]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limit = (_seconds(config) or 0.0) + _SLACK
    for item in items:
        if "rounds" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(limit))


class Rounds:
    """How often a test may try, and what came of it."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._noun = "rounds"
        self._notes: list[str] = []
        self.number = 0
        self.failures: list[str] = []

    def __call__(self, most: int, noun: str = "rounds", *, least: int = _LEAST) -> Iterator[int]:
        """Yield 0, 1, 2 and so on, `most` of them or as many as there is time for."""
        self._noun = noun
        for number in range(most):
            if number >= least and self.seconds <= 0:
                return
            yield number
            self.number += 1

    @property
    def seconds(self) -> float:
        """What is left of this test's share."""
        return self._until - time.time()

    def count(self, number: int, noun: str) -> None:
        """Say how much was done where rounds do not tell."""
        self.number, self._noun = number, noun

    def failed(self, what: object) -> None:
        """Count a failure; the test goes on, and fails at its end."""
        self.failures.append(str(what))

    def note(self, text: str) -> None:
        """Add to the line that tells of the test."""
        self._notes.append(text)

    def line(self) -> str:
        """Say what was done."""
        notes = "".join(f", {note}" for note in self._notes)
        return f"{self.number} {self._noun}{notes}"


@pytest.fixture
def rounds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rounds]:
    """As many rounds as fit in this test's share of the seconds."""
    config = request.config
    is_worker = hasattr(config, "workerinput")
    workers = config.workerinput["workercount"] if is_worker else 1
    # What is left is divided among the tests that have not begun: one that ends early or late
    # changes the shares of those after it, not the time of the whole.
    base = tmp_path_factory.getbasetemp()
    begun = _append(base.parent / "begun" if is_worker else base / "begun")
    tests = sum("rounds" in getattr(item, "fixturenames", ()) for item in request.session.items)
    left = config.stash[_STARTED] + (_seconds(config) or 0.0) - time.time()
    share = min(left, left * workers / max(1, tests - begun + 1))
    tried = Rounds(time.time() + share)
    yield tried
    request.node.user_properties.append(("torture", [tried.line(), len(tried.failures)]))
    if tried.failures:
        shown = "\n".join(tried.failures[:_SHOWN])
        pytest.fail(f"{len(tried.failures)} failures, the first being\n{shown}", pytrace=False)


class Child:
    """A program of `children` in a process of its own, a warning being an error in it."""

    def __init__(
        self, errors: Path, name: str, *arguments: object, before: Sequence[str] = ()
    ) -> None:
        self._errors = errors
        command = [*before, sys.executable, "-W", "error", str(_CHILDREN / name)]
        with errors.open("w") as stream:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True,
            )  # fmt: skip

    def ask(self, question: object = "") -> str:
        """Send a line, wait for one and return it; empty if the child has ended."""
        self.tell(question)
        return self.answer()

    def tell(self, what: object = "") -> None:
        """Send a line, unless the child has ended."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{what}\n")
            self.process.stdin.flush()

    def answer(self) -> str:
        """Return the next line that the child prints; empty if it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def errors(self) -> str:
        """Return the end of what the child complained of."""
        return self._errors.read_text(errors="replace")[-4_000:]

    def end(self) -> None:
        """Let the child go, if need be by force."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start programs of `children`."""
    started: list[Child] = []

    def start(name: str, *arguments: object, before: Sequence[str] = ()) -> Child:
        errors = tmp_path / f"errors-{len(started)}"
        started.append(Child(errors, name, *arguments, before=before))
        return started[-1]

    yield start
    for each in started:
        each.end()


def _append(path: Path) -> int:
    """Add one to the count that the workers share, and return it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"x")
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


_unusual: dict[str, pytest.TestReport] = {}
_told: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what became of each test; runs where the lines are printed."""
    if report.when != "teardown":
        if report.skipped or report.failed:
            _unusual[report.nodeid] = report
        return
    earlier = _unusual.pop(report.nodeid, None)
    title = report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")
    done = dict(report.user_properties).get("torture")
    if earlier is not None and earlier.skipped and isinstance(earlier.longrepr, tuple):
        _told.append(f"{title}: skipped, {earlier.longrepr[2].removeprefix('Skipped: ')}")
    elif isinstance(done, list | tuple):
        line, failures = done
        failures += earlier is not None
        _told.append(f"{title}: {line}, {failures} failure{'s' * (failures != 1)}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _told:
        terminalreporter.section("torture")
        for line in sorted(_told):
            terminalreporter.write_line(line)
