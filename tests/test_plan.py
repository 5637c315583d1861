"""Each reason has one predicate, and the plan and `explain` share them."""

from __future__ import annotations

import pytest

from stagecache.model import Argument, CodeManifest, CodePart, Entry, Options, Provenance
from stagecache.plan import Evidence, Relative, judge, nearest, reasons

OLD, NEW = b"o" * 16, b"n" * 16


def entry(**changes):
    made = Entry(
        key=b"k" * 16, result=b"r" * 16, stage="m:f", code=OLD, codec="plain", inline=b"x",
        blob=None, size=1, created=1000.0, seconds=2.0,
    )  # fmt: skip
    return made._replace(**changes)


def argument(name, digest=OLD, label="int 1", *, is_file=False):
    return Argument(name, digest, label, is_file)


def relative(*arguments, code=OLD, parts=None):
    manifest = None if parts is None else CodeManifest(code, tuple(parts))
    provenance = Provenance(b"k" * 16, arguments, "host", 1, "3.11")
    return Relative(entry(code=code), provenance, manifest)


def evidence(**changes):
    made = Evidence(
        now=1010.0, options=Options(), entry=None, code=OLD, arguments=(), manifest=None,
        relative=None,
    )  # fmt: skip
    return made._replace(**changes)


def part(name, digest, kind="function", text=""):
    return CodePart(name, kind, digest, text)


CASES = {
    "nothing kept": (evidence(), [("absent", "")]),
    "forgotten": (evidence(relative=relative()), [("absent", "")]),
    "argument": (
        evidence(arguments=(argument("x", NEW),), relative=relative(argument("x"))),
        [("argument", "x")],
    ),
    "file contents": (
        evidence(
            arguments=(argument("p", NEW, "File a.csv", is_file=True),),
            relative=relative(argument("p", OLD, "File a.csv", is_file=True)),
        ),
        [("file", "a.csv")],
    ),
    "another file": (
        evidence(
            arguments=(argument("p", NEW, "File b.csv", is_file=True),),
            relative=relative(argument("p", OLD, "File a.csv", is_file=True)),
        ),
        [("argument", "p")],
    ),
    "helper and package": (
        evidence(
            code=NEW,
            manifest=CodeManifest(NEW, (part("f", NEW), part("numpy", NEW, "package", "2"))),
            relative=relative(parts=[part("f", OLD), part("numpy", OLD, "package", "1")]),
        ),
        [("code", "f"), ("package", "numpy")],
    ),
    "environment only": (
        evidence(
            code=NEW,
            manifest=CodeManifest(NEW, (part("HOME", NEW, "environment", "b"),)),
            relative=relative(parts=[part("HOME", OLD, "environment", "a")]),
        ),
        [("environment", "HOME")],
    ),
    "code that nobody described": (evidence(code=NEW, relative=relative()), [("code", "f")]),
    "expired": (
        evidence(entry=entry(), options=Options(ttl=5.0)),
        [("expired", "10 s old")],
    ),
    "evicted": (evidence(entry=entry(inline=None)), [("output", "")]),
    "unreadable": (evidence(entry=entry(), is_loadable=False), [("unreadable", "")]),
    "hit": (evidence(entry=entry()), []),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_reasons(given, expected):
    assert [(r.kind, r.subject) for r in reasons(given)] == expected


@pytest.mark.parametrize(
    ("now", "ttl", "expected"),
    [
        (1000.0, None, None),
        (999_999.0, None, None),
        (1009.9, 10.0, None),
        (1010.0, 10.0, "expired"),
        (1000.0, 0.0, "expired"),
        (990.0, 10.0, None),  # clocks of two machines differ a little
        (500.0, 10.0, "expired"),  # an entry from the future would never expire
    ],
)
def test_ttl_is_judged_by_the_age_at_the_read(now, ttl, expected):
    assert judge(entry(), Options(ttl=ttl), now) == expected


def test_no_entry_is_absent():
    assert judge(None, Options(), 0.0) == "absent"


def test_the_nearest_relative_shares_most_arguments_and_the_newest_wins():
    kept = [
        (entry(key=bytes([i]) * 16), Provenance(b"", arguments, "h", 1, "3"))
        for i, arguments in enumerate(
            [
                (argument("p", b"1" * 16, "File a"), argument("q")),
                (argument("p", b"2" * 16, "File b"), argument("q")),
                (argument("p", b"3" * 16, "File b"), argument("q")),
            ]
        )
    ]
    wanted = (argument("p", b"9" * 16, "File b"), argument("q"))
    assert [found.key[:1] for found, _ in nearest(OLD, wanted, kept)] == [b"\x01", b"\x02"]
    assert nearest(OLD, wanted, []) == []
