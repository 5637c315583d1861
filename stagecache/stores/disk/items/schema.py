"""The tables of collections, and the steps from one version of them to the next.

Items cannot be computed again, so a file of an older version is changed step by step, in one
transaction, and one of a newer version is left alone.
"""

from __future__ import annotations

APPLICATION = 0x53474349
VERSION = 1
STEPS: dict[int, str] = {}
"""Version -> what makes the next one of it."""

TABLES = """
CREATE TABLE collections (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL,
    created REAL NOT NULL,
    count INTEGER,
    bytes INTEGER
) STRICT;
CREATE TABLE blobs (address BLOB PRIMARY KEY, bytes INTEGER NOT NULL, holders INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX blobs_free ON blobs (address) WHERE holders < 1;
"""

_ITEMS = """
CREATE TABLE items_{n} (
    id INTEGER PRIMARY KEY,
    key BLOB,
    shown BLOB,
    codec TEXT NOT NULL,
    value BLOB,
    blob BLOB,
    size INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    expires REAL,
    tag TEXT,
    used REAL,
    due REAL,
    note ANY
) STRICT;
CREATE UNIQUE INDEX items_{n}_key ON items_{n} (key) WHERE key IS NOT NULL;
CREATE INDEX items_{n}_expires ON items_{n} (expires) WHERE expires IS NOT NULL;
CREATE INDEX items_{n}_tag ON items_{n} (tag) WHERE tag IS NOT NULL;
CREATE INDEX items_{n}_used ON items_{n} (used) WHERE used IS NOT NULL;
CREATE INDEX items_{n}_due ON items_{n} (due) WHERE due IS NOT NULL;
CREATE TRIGGER items_{n}_held AFTER INSERT ON items_{n} WHEN new.blob IS NOT NULL BEGIN
    INSERT INTO blobs VALUES (new.blob, new.size, 1)
        ON CONFLICT (address) DO UPDATE SET holders = holders + 1; END;
CREATE TRIGGER items_{n}_free AFTER DELETE ON items_{n} WHEN old.blob IS NOT NULL BEGIN
    UPDATE blobs SET holders = holders - 1 WHERE address = old.blob; END;
CREATE TRIGGER items_{n}_swap AFTER UPDATE OF blob ON items_{n}
    WHEN old.blob IS NOT new.blob BEGIN
    UPDATE blobs SET holders = holders - 1 WHERE address = old.blob;
    INSERT INTO blobs SELECT new.blob, new.size, 1 WHERE new.blob IS NOT NULL
        ON CONFLICT (address) DO UPDATE SET holders = holders + 1; END;
"""
_COUNTED = """
CREATE TRIGGER items_{n}_comes AFTER INSERT ON items_{n} BEGIN
    UPDATE collections SET count = count + 1, bytes = bytes + new.size WHERE number = 0x{n}; END;
CREATE TRIGGER items_{n}_goes AFTER DELETE ON items_{n} BEGIN
    UPDATE collections SET count = count - 1, bytes = bytes - old.size WHERE number = 0x{n}; END;
CREATE TRIGGER items_{n}_grows AFTER UPDATE OF size ON items_{n} WHEN old.size <> new.size BEGIN
    UPDATE collections SET bytes = bytes + new.size - old.size WHERE number = 0x{n}; END;
"""
# A table a collection: the order of its items is that of their ids, and costs nothing. With one
# table for all, each commit would write a page more, to list the items of its collection. The
# triggers of what is counted cost 3 us a commit; else items are counted when somebody asks.
# Lists with WHERE cost nothing while no item has that field.


def items_table(number: int, *, counted: bool) -> str:
    """Return what makes the tables of one collection."""
    return (_ITEMS + (_COUNTED if counted else "")).format(n=name_of(number))


def name_of(number: int) -> str:
    """Return what stands for a collection in names of tables."""
    return f"{number:016x}"
