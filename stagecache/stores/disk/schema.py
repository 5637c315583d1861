"""The tables of the index, and how a file is known to hold them."""

from __future__ import annotations

APPLICATION = 0x53474348
VERSION = 3
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
    epoch BLOB,
    provenance TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_key ON entries (key);
CREATE INDEX entries_blob ON entries (blob) WHERE blob IS NOT NULL;
CREATE TABLE listed (
    stage TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (stage, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE holds (part BLOB NOT NULL, holder BLOB NOT NULL, PRIMARY KEY (part, holder))
    STRICT, WITHOUT ROWID;
CREATE INDEX holds_holder ON holds (holder);
CREATE INDEX entries_part ON entries (created) WHERE stage = '';
CREATE INDEX entries_bare ON entries (created) WHERE inline IS NULL AND blob IS NULL;
CREATE TABLE manifests (code BLOB PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE uses (
    key BLOB PRIMARY KEY, count INTEGER NOT NULL, saved REAL NOT NULL, last REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE memo (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL,
    value BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX memo_key ON memo (kind, key);
CREATE TABLE runs (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN
    DELETE FROM listed WHERE stage = old.stage AND id = old.id;
    UPDATE meta SET value = min(value, (SELECT coalesce(max(id), 0) FROM entries))
        WHERE name = 'listed' AND value >= old.id;
END;
CREATE TABLE files (place TEXT NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL,
    since REAL NOT NULL, PRIMARY KEY (place, name)) STRICT, WITHOUT ROWID;
CREATE TRIGGER file_comes AFTER INSERT ON files BEGIN
    UPDATE meta SET value = value + new.bytes WHERE name = 'files'; END;
CREATE TRIGGER file_changes AFTER UPDATE ON files BEGIN
    UPDATE meta SET value = value + new.bytes - old.bytes WHERE name = 'files'; END;
CREATE TRIGGER file_goes AFTER DELETE ON files BEGIN
    UPDATE meta SET value = value - old.bytes WHERE name = 'files'; END;
"""
# Rows have a rowid: without one, values of 1 KB in the row make everything 2 to 7 times slower.
# So they are appended, in the order of commits: an id made of the key (no index of keys) was
# tried, and pages of 1 KB values that split cost twice what the index costs.
#
# A commit of a small result writes two pages, that of the row and that of its key; each page more
# costs 4 us. Hence `listed`, the rows of each stage, lags behind: it holds the rows with an id up
# to meta's number 'listed', and whoever asks reads the few above from `entries` itself. A row's id
# may come again when the last row was deleted, so the trigger lowers that number.
