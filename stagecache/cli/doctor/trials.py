"""Checks of the place where results lie, by trying: files are written, locked, mapped, removed."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time

from stagecache.cli.doctor.words import OK, PROBLEM, WARNING, Finding, Moot, Patient
from stagecache.cli.output import size
from stagecache.leases.filelocks import LockFolder
from stagecache.leases.lockfile import IS_SUPPORTED, LockFile
from stagecache.records import duration
from stagecache.stores.disk.collect import GRACE
from stagecache.stores.disk.trouble import trouble

_WRITTEN = 256 << 10
"""Bytes of the test file."""
_SLOW = 0.05
"""Seconds; a disk that takes longer to be sure of a file makes `durable` expensive."""
_SKEW = 2.0
"""Seconds: some file systems know the time no better."""
_BYTE = 1 << 62


def writing(patient: Patient) -> Finding:
    """Tell whether a file can be written, and how long until the disk is sure of it."""
    if patient.settings.read_only:
        raise Moot("`read_only`: nothing is written")
    root = patient.directory().root
    try:
        with patient.scratch() as (descriptor, _):
            rest = memoryview(bytes(_WRITTEN))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            start = time.perf_counter()
            os.fsync(descriptor)
            seconds = time.perf_counter() - start
    except OSError as error:
        return Finding(PROBLEM, *_parted(str(trouble(root, "write a file", error))))
    detail = f"a file of {size(_WRITTEN)} is safe on the disk in {duration(seconds)}"
    if seconds > _SLOW and patient.settings.durable:
        return Finding(
            WARNING, detail, "`durable` waits so long for each result: do without, or another disk."
        )
    return Finding(OK, detail)


def _parted(message: str) -> tuple[str, str]:
    """Part what happened from the advice."""
    happened, _, advice = message.partition("). ")
    return f"{happened})", advice


def clock(patient: Patient) -> Finding:
    """Tell whether the machine and its files agree on the time."""
    with patient.scratch_if_any() as (descriptor, _):
        os.write(descriptor, b"now")
        skew = os.fstat(descriptor).st_mtime - patient.clock.now()
    if abs(skew) <= _SKEW:
        return Finding(OK, "files have the time of this machine")
    detail = f"files are {duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine"
    advice = "Set the clocks by NTP, on this machine and on the file server."
    if abs(skew) < GRACE:
        return Finding(WARNING, detail, advice)
    return Finding(PROBLEM, f"{detail}: what is at work looks like a leftover", advice)


_CHILD = """\
import sys
from stagecache.leases.filelocks import LockFolder
from stagecache.leases.lockfile import IS_SUPPORTED, LockFile
file = (LockFile if IS_SUPPORTED else LockFolder)(sys.argv[1])
sys.exit(20 + file.try_lock(int(sys.argv[2])))
"""
_REFUSED, _TAKEN = 20, 21


def locks(patient: Patient) -> Finding:
    """Tell whether a lock keeps another process out, and only while it is held."""
    kind = "OFD locks" if IS_SUPPORTED else "lock files"
    with patient.scratch_if_any() as (_, path):
        try:
            file = LockFile(path) if IS_SUPPORTED else LockFolder(path)
            is_ours = file.try_lock(_BYTE)
            held = _child(path)
            file.unlock(_BYTE)
            freed = _child(path)
            file.close()
        finally:
            if os.path.isdir(f"{path}.d"):
                import shutil

                shutil.rmtree(f"{path}.d")
    if (is_ours, held, freed) == (True, _REFUSED, _TAKEN):
        return Finding(OK, f"{kind} keep processes apart")
    if held not in (_REFUSED, _TAKEN):
        return Finding(WARNING, f"not tried: another Python process ended with {held}")
    return Finding(
        PROBLEM,
        f"{kind} do not keep processes apart here",
        "Several may compute the same at once: choose a `directory` on a local disk.",
    )


def _child(path: str) -> int:
    command = [sys.executable, "-c", _CHILD, path, str(_BYTE)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode


def maps(patient: Patient) -> Finding:
    """Tell whether a file can be mapped copy-on-write, as large values are."""
    if not patient.directory().is_local():
        raise Moot("no maps over a network: large values are read")
    with patient.scratch_if_any() as (descriptor, _):
        os.write(descriptor, bytes(mmap.PAGESIZE))
        try:
            with mmap.mmap(descriptor, mmap.PAGESIZE, access=mmap.ACCESS_COPY) as view:
                view[0] = 1
                is_kept_apart = os.pread(descriptor, 1, 0) == b"\0"
        except (OSError, ValueError) as error:
            return Finding(
                WARNING,
                f"files cannot be mapped ({error})",
                "Large values are read.",
            )
    if is_kept_apart:
        return Finding(OK, "large values are mapped, not read")
    return Finding(
        PROBLEM,
        "what is written into a private map reaches the file",
        "Results would change under their readers: choose another `directory`.",
    )
