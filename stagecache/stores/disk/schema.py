"""The tables of the index, and how a file is known to hold them."""

from __future__ import annotations

APPLICATION = 0x53474348
VERSION = 1
"""An index of another version is emptied and made from blobs anew; there is no migration."""

TABLES = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    result BLOB NOT NULL,
    stage TEXT NOT NULL,
    code BLOB NOT NULL,
    codec TEXT NOT NULL,
    inline BLOB,
    blob BLOB,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    seconds REAL NOT NULL,
    generation INTEGER NOT NULL,
    extra TEXT,
    items BLOB,
    provenance TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_key ON entries (key);
CREATE INDEX entries_stage ON entries (stage, created);
CREATE INDEX entries_blob ON entries (blob) WHERE blob IS NOT NULL;
CREATE TABLE manifests (code BLOB PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE uses (
    key BLOB PRIMARY KEY, count INTEGER NOT NULL, saved REAL NOT NULL, last REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE memo (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL,
    value BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX memo_key ON memo (kind, key);
CREATE TABLE runs (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""
# Rows have a rowid: without one, values of 1 KB in the row make everything 2 to 7 times slower.
