"""Checks of the index and of what lies about beside it."""

from __future__ import annotations

import os

import apsw

from stagecache.cli.doctor.words import OK, PROBLEM, WARNING, Finding, Moot, Patient
from stagecache.cli.output import size
from stagecache.stores.disk import schema
from stagecache.stores.disk.blobs import KEPT, scan
from stagecache.stores.disk.collect import GRACE, TRASH
from stagecache.stores.disk.items import schema as items
from stagecache.stores.disk.items.place import ItemsDirectory
from stagecache.stores.disk.sound import damages, reader

_LARGE_LOG = 256 << 20
"""Bytes: writers empty the log at 16 MB unless a reader keeps them from it."""
_FIRST_WITH_FAULT, _FIRST_WITHOUT = (3, 7, 0), (3, 51, 3)
_WRITE_FORMAT = 18
"""Where in the file the journal is named: 1 rollback, 2 write-ahead log. See SQLite's file format,
section 1.3."""


def sqlite(_: Patient) -> Finding:
    """Tell whether this SQLite has the fault that breaks an index with several writers."""
    version = apsw.sqlite_lib_version()
    numbers = tuple(int(part) for part in version.split("."))
    detail = f"SQLite {version} (apsw {apsw.apsw_version()})"
    if _FIRST_WITH_FAULT <= numbers < _FIRST_WITHOUT:
        return Finding(
            PROBLEM,
            f"{detail} can break an index that several processes write (the WAL reset fault)",
            "pip install --upgrade apsw",
        )
    return Finding(OK, detail)


def journal(patient: Patient) -> Finding:
    """Tell whether the index has the journal that suits its file system."""
    path = patient.index_file()
    with open(path, "rb") as stream:
        stream.seek(_WRITE_FORMAT)
        has_log = stream.read(1) == b"\2"
    is_local = patient.directory().is_local()
    if has_log and not is_local:
        return Finding(
            PROBLEM,
            "a write-ahead log, which does not work over a network",
            "Choose a `directory` on a local disk, or remove v1/index.db*: it is made anew from "
            "blobs, with a rollback journal.",
        )
    if not has_log:
        slower = ", slower than a log" if is_local else ""
        return Finding(OK, f"a rollback journal{slower}")
    try:
        length = os.path.getsize(f"{path}-wal")
    except FileNotFoundError:
        length = 0
    if length > _LARGE_LOG:
        return Finding(
            WARNING,
            f"the write-ahead log has grown to {size(length)}",
            "A process reads without end, or was stopped: see who has v1/index.db open.",
        )
    return Finding(OK, f"a write-ahead log, {size(length)}")


def index(patient: Patient) -> Finding:
    """Tell whether SQLite finds the index in order."""
    path = patient.index_file()
    # Without a log nobody has it open: then it is read without touching a lock or a file.
    alone = not os.path.exists(f"{path}-wal")
    try:
        connection = reader(path, alone=alone)
        try:
            application = connection.pragma("application_id")
            version = connection.pragma("user_version")
        finally:
            connection.close()
        problems = damages(path, lambda: None, how="quick_check", alone=alone)
    except apsw.NotADBError as error:
        problems, application, version = [str(error)], schema.APPLICATION, schema.VERSION
    except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
        return Finding(
            PROBLEM, f"it cannot be read ({error})", "Mend the permissions of v1/index.db*."
        )
    if problems:
        return Finding(
            PROBLEM,
            f"it is damaged: {problems[0]}",
            "The next use, or `stagecache verify --repair`, makes it anew from blobs.",
        )
    if (application, version) != (schema.APPLICATION, schema.VERSION):
        return Finding(
            WARNING,
            f"it is of version {version}, not {schema.VERSION}",
            "The next use makes it anew from blobs; small results are computed again.",
        )
    return Finding(OK, f"in order, {size(os.path.getsize(path))}")


def collections(patient: Patient) -> Finding:
    """Tell whether the file of collections can be used: nothing could make it anew."""
    place = ItemsDirectory(patient.existing())
    if not place.has_index():
        raise Moot("there are no collections yet")
    alone = not os.path.exists(f"{place.index}-wal")
    try:
        connection = reader(place.index, alone=alone)
        try:
            version = connection.pragma("user_version")
        finally:
            connection.close()
        problems = damages(place.index, lambda: None, how="quick_check", alone=alone)
    except apsw.NotADBError as error:
        problems, version = [str(error)], items.VERSION
    if problems:
        return Finding(
            PROBLEM,
            f"their file is damaged: {problems[0]}",
            "Copy v1/collections away first. `stagecache verify --repair`, or the next use, saves "
            "what can be read; the rest is lost unless you have a backup.",
        )
    if version > items.VERSION:
        return Finding(
            PROBLEM,
            f"they are of version {version}, newer than {items.VERSION}",
            "Use the version of stagecache that made them, or a newer one.",
        )
    return Finding(OK, f"in order, {size(os.path.getsize(place.index))}")


def leftovers(patient: Patient) -> Finding:
    """Tell whether killed processes left something behind."""
    directory = patient.existing()
    now = patient.clock.now()
    number = length = 0
    for folder, seconds in ((directory.temporary, GRACE), (directory.trash, TRASH)):
        for file in scan(folder):
            try:
                status = file.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_mtime <= now - seconds:
                number += 1
                length += status.st_size
    if number:
        return Finding(WARNING, f"{number} files, {size(length)}", "stagecache gc")
    return Finding(OK, "none")


def quarantine(patient: Patient) -> Finding:
    """Tell whether anything was found damaged."""
    found = [file.name for file in scan(patient.existing().quarantine)]
    copies = sum(name.startswith(KEPT) and name.endswith(".db") for name in found)
    if copies:
        return Finding(
            WARNING,
            f"{len(found)} files were set aside, {copies} of them damaged collections",
            f"Items of collections were lost: see v1/quarantine/{KEPT}*, and remove them when you "
            "have what you need.",
        )
    number = len(found)
    if number:
        return Finding(
            WARNING,
            f"{number} damaged files were set aside",
            "Once may be chance; if more come, check disk and memory. v1/quarantine may go.",
        )
    return Finding(OK, "nothing was found damaged")
