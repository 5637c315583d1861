"""The flights example keeps what the README says of it, on a few hundred rows of three months."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
MONTHS = ("2013-01", "2013-02", "2013-03")
BY_MONTH = (
    "load", "clean", "with_weather", "with_planes", "with_airports", "with_airlines",
    "weather_effects", "punctuality",
)  # fmt: skip


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("flights_prepare", FLIGHTS / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def year_of_files(prepare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("year")
    prepare.prepare(folder)
    return folder


@pytest.fixture
def flights(project, year_of_files):
    """A project with three short months."""
    for month in MONTHS:
        lines = (year_of_files / "flights" / f"{month}.csv").read_text().splitlines()
        project.write(f"work/flights/{month}.csv", "\n".join([*lines[:1], *lines[1::60]]) + "\n")
    for name in ("weather", "planes", "airports", "airlines"):
        project.write(f"work/{name}.csv", (year_of_files / f"{name}.csv").read_text())
    return project


def run(project):
    return project.run(f"{FLIGHTS}/pipeline.py:year", "folder=work", "draws=2")


def test_the_files_hold_every_flight_and_stay_untouched_when_prepared_again(prepare, year_of_files):
    months = sorted((year_of_files / "flights").iterdir())
    assert [path.stem for path in months] == [f"2013-{month:02}" for month in range(1, 13)]
    assert sum(len(path.read_bytes().splitlines()) - 1 for path in months) == 336_776
    before = {path: path.stat().st_mtime_ns for path in months}
    prepare.prepare(year_of_files)
    assert {path: path.stat().st_mtime_ns for path in months} == before


def test_a_rerun_does_only_what_changed(flights):
    cold = run(flights)
    assert len(cold["ran"]) == 8 * 3 + 4 + 2
    assert run(flights)["ran"] == []

    header, first, *rest = (flights.folder / "work/flights/2013-02.csv").read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("dep_delay")] = "300"
    flights.write("work/flights/2013-02.csv", "\n".join([header, ",".join(cells), *rest, ""]))
    changed = run(flights)
    assert sorted(changed["ran"]) == sorted([*(f"{s}[1]" for s in BY_MONTH), "report", "picture"])
    assert changed["reasons"]["load[1]"] == "file: 2013-02.csv"


def test_reordered_rows_stop_at_clean(flights):
    run(flights)
    header, *rows = (flights.folder / "work/flights/2013-03.csv").read_text().splitlines()
    flights.write("work/flights/2013-03.csv", "\n".join([header, *reversed(rows), ""]))
    assert run(flights)["ran"] == ["load[2]", "clean[2]"]


def test_what_was_written_is_put_back_when_it_is_gone(flights):
    run(flights)
    kept = {}
    for name in ("report.parquet", "picture.png"):
        path = flights.folder / "work" / name
        kept[path] = path.read_bytes()
        path.unlink()
    assert run(flights)["ran"] == []
    assert {path: path.read_bytes() for path in kept} == kept
