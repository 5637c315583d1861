"""Checks of the place where results lie, by looking: the directory and its file system."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from stagecache.cli.doctor.words import OK, PROBLEM, WARNING, Finding, Moot, Patient
from stagecache.cli.output import size
from stagecache.stores.disk.directory import file_system
from stagecache.stores.disk.trust import Refused, Trust

_LITTLE, _HARDLY_ANY = 1 << 30, 64 << 20
"""Bytes."""
_FEW_FILES = 1_000


def directory(patient: Patient) -> Finding:
    """Tell whether it is a directory, and where it seems to be."""
    root = patient.directory().root
    try:
        status = os.lstat(root)
    except FileNotFoundError:
        return Finding(OK, f"{root}: none yet; it is made when the first result is kept")
    if stat.S_ISLNK(status.st_mode):
        return Finding(
            WARNING,
            f"{root} is a link to {os.path.realpath(root)}",
            "Whoever may change the link decides whose results are read: name the place itself.",
        )
    if not stat.S_ISDIR(status.st_mode):
        return Finding(
            PROBLEM, f"{root} is no directory", "Move it, or choose another `directory`."
        )
    return Finding(OK, root)


def owner(patient: Patient) -> Finding:
    """Tell whether it is ours, and nobody else's to write in."""
    root = patient.existing().root
    if patient.settings.shared:
        raise Moot("it is shared by a group")
    if not hasattr(os, "geteuid"):
        raise Moot("this system has no such modes")
    status = os.stat(root)
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        return Finding(
            PROBLEM,
            f"it belongs to user {status.st_uid}, not to {os.geteuid()}",
            "Its owner decides what is read from it: choose a `directory` of your own.",
        )
    if mode & 0o022:
        return Finding(
            PROBLEM,
            f"others may write in it (mode {mode:04o})",
            f"Whoever writes there can make this program run anything: chmod 700 {root}",
        )
    if mode & 0o077:
        return Finding(
            WARNING,
            f"others may read it (mode {mode:04o})",
            f"Unless they should: chmod 700 {root}",
        )
    return Finding(OK, f"ours alone (mode {mode:04o})")


def trust(patient: Patient) -> Finding:
    """Tell whether pickled results of the directory are read."""
    directory = patient.existing()
    if patient.settings.shared:
        return Finding(OK, "shared by a group: safe formats only, no pickles")
    # Read-only, so that no secret is made and no token taken away.
    judge = Trust(directory, secret_file=patient.settings.secret, read_only=True)
    try:
        judge.judge()
    except Refused as refused:
        return Finding(PROBLEM, str(refused), refused.advice)
    if judge.problem is not None:
        detail = f"not private, {judge.problem.what}: pickled results count as missing"
        return Finding(WARNING, detail, judge.problem.remedy)
    return Finding(OK, "private: pickled results are read")


def files(patient: Patient) -> Finding:
    """Tell whether locks and maps can be trusted on its file system."""
    found = patient.directory()
    kind = file_system(found.root)
    if not kind:
        return Finding(OK, "of unknown type; taken for a local one")
    if found.is_local():
        return Finding(OK, f"{kind}, local")
    return Finding(
        WARNING,
        f"{kind}, over a network or by a program: slower, without maps and without a log",
        "Choose a `directory` on a local disk; machines do not exclude each other there.",
    )


def space(patient: Patient) -> Finding:
    """Tell whether there is room for what may be kept."""
    root = patient.directory().root
    if not hasattr(os, "statvfs"):
        raise Moot("this system does not tell")
    while not os.path.isdir(root):
        root = os.path.dirname(root)
    found = os.statvfs(root)
    free = found.f_bavail * found.f_frsize
    bound = _bound(patient)
    detail = f"{size(free)} free"
    if found.f_files:  # some file systems do not count
        detail += f", {found.f_favail} files"
        if found.f_favail < _FEW_FILES:
            return Finding(
                PROBLEM,
                detail,
                "Soon no more files can be made: remove some, or move.",
            )
    if free < _HARDLY_ANY:
        return Finding(
            PROBLEM, detail, "Free some space; `stagecache gc` removes leftovers of the cache."
        )
    if bound is not None and free + _used(patient) < bound:
        return Finding(
            WARNING,
            f"{detail}, less than `max_size` ({size(bound)}) needs",
            "The disk will be full before the bound is reached: lower `max_size`.",
        )
    if free < _LITTLE:
        return Finding(WARNING, detail, "Free some space, or bound the cache by `max_size`.")
    return Finding(OK, detail)


def _bound(patient: Patient) -> int | None:
    bound = patient.settings.max_size
    with suppress(Moot):
        bound, _ = patient.limits().get("max_size", (bound, ""))
    return bound


def _used(patient: Patient) -> int:
    used = 0
    for folder, _, names in os.walk(patient.directory().layout):
        for name in names:
            try:
                used += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return used
