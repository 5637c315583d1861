"""Checks of the machine and of the installation."""

from __future__ import annotations

import platform
import re
import sys
from contextlib import suppress
from importlib import metadata

from stagecache.cli.doctor.words import OK, PROBLEM, WARNING, Finding, Moot, Patient

_FEW_FILES = 1_024
"""Open files; live maps and connections of a busy process take some hundreds."""


def settings(patient: Patient) -> Finding:
    """Tell which settings hold, and who gave them."""
    found = {
        name: (value, patient.origins[name]) for name, value in patient.settings._asdict().items()
    }
    with suppress(Moot):
        found |= patient.limits()
    lines = [f"{name} = {value!r} ({origin})" for name, (value, origin) in found.items()]
    return Finding(OK, "\n".join(lines))


def python(_: Patient) -> Finding:
    """Tell whether stagecache is made for this Python."""
    detail = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    if platform.python_implementation() != "CPython":
        return Finding(
            WARNING,
            detail,
            "Code is compared by CPython's instructions: use that.",
        )
    return Finding(OK, detail)


def packages(_: Patient) -> Finding:
    """Tell whether the packages are there that stagecache stands on."""
    try:
        wanted = metadata.requires("stagecache") or []
    except metadata.PackageNotFoundError:
        return Finding(
            WARNING, "stagecache is imported from a folder, not installed", "pip install stagecache"
        )
    found, missing = [f"stagecache {metadata.version('stagecache')}"], []
    for requirement in wanted:
        name, semicolon, _marker = requirement.partition(";")
        if semicolon:  # of an extra, or of another system
            continue
        name = re.split(r"[^\w.-]", name, maxsplit=1)[0]
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            PROBLEM, f"{', '.join(missing)} not installed", f"pip install {' '.join(missing)}"
        )
    return Finding(OK, ", ".join(found))


def open_files(_: Patient) -> Finding:
    """Tell whether a process may have enough files open."""
    try:
        import resource
    except ImportError:
        raise Moot("this system sets no limit") from None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding(OK, "as many as are wanted")
    if soft < _FEW_FILES:
        most = "more" if hard == resource.RLIM_INFINITY else str(hard)
        return Finding(
            WARNING,
            f"{soft} at most: large values that are mapped take one each",
            f"ulimit -n {max(_FEW_FILES, 4096)} (the system allows {most})",
        )
    return Finding(OK, f"{soft} at most")
