"""Checks of what a team shares, by asking: something small is read, written and removed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from stagecache.cli.doctor.words import OK, PROBLEM, WARNING, Finding, Moot
from stagecache.errors import SettingsError, ShelfError
from stagecache.records import duration

if TYPE_CHECKING:
    from stagecache.cli.doctor.words import Patient

_SLOW = 0.05
"""Seconds; each lookup of what is not on this machine takes as long."""
_SECONDS = 60.0
"""What is written goes by itself after that, whatever happens here."""


def redis(patient: Patient) -> Finding:
    """Tell whether the server of the entries can be reached, and takes what it is sent."""
    return _asked(patient, patient.settings.redis, "redis")


def store(patient: Patient) -> Finding:
    """Tell the same of the object store."""
    return _asked(patient, patient.settings.store, "store")


def signing(patient: Patient) -> Finding:
    """Tell whether what is shared is signed, and by keys that can be read."""
    settings = patient.settings
    if settings.redis is None and settings.store is None:
        raise Moot("nothing is shared")
    if not settings.signing_key:
        return Finding(OK, "nobody signs: only formats that cannot run code are shared")
    from stagecache.stores.shared.keyring import Keyring

    try:
        keyring = Keyring.read(settings.signing_key)
    except SettingsError as error:
        return Finding(PROBLEM, str(error), "Until then every use of the cache fails.")
    also = "; pickles are shared" if settings.allow_pickle else ""
    return Finding(OK, f"{keyring!r}, of which the first signs{also}")


def _asked(patient: Patient, url: str | None, name: str) -> Finding:
    if url is None:
        raise Moot(f"there is no `{name}`")
    from stagecache.stores.shared.opening import open_shelf

    try:
        shelf = open_shelf(str(url))
    except SettingsError as error:
        return Finding(PROBLEM, str(error), "Mend it: until then every use of the cache fails.")
    settings = patient.settings
    probe = f"{settings.namespace}/doctor/{os.urandom(8).hex()}"
    try:
        started = time.perf_counter()
        shelf.get((probe,))
        seconds = time.perf_counter() - started
        if settings.role == "writer" and not settings.read_only:
            shelf.put(probe, [b"stagecache doctor"], seconds=_SECONDS, replace=False)
            shelf.remove((probe,))
    except ShelfError as error:
        if error.is_outage:
            advice = "Start it, or see the network. Until then jobs go on without it."
            return Finding(PROBLEM, str(error), advice)
        advice = "Results are read from there, but new ones are not shared: see what it refuses."
        return Finding(PROBLEM, str(error), advice)
    finally:
        shelf.close()
    detail = f"{shelf.name} answers in {duration(seconds)}"
    if seconds > _SLOW and name == "redis":
        advice = "Each lookup of what is not on this machine waits so long: a nearer server helps."
        return Finding(WARNING, detail, advice)
    return Finding(OK, detail)
