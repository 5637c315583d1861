"""Every check by its name, in the order in which they are told; and how they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from stagecache.cli.doctor import index, place, system, team, trials
from stagecache.cli.doctor.words import OK, PROBLEM, Check, Finding, Moot, without_secrets

if TYPE_CHECKING:
    from stagecache.cli.doctor.words import Patient

CHECKS = (
    Check("settings", system.settings),
    Check("python", system.python),
    Check("packages", system.packages),
    Check("open files", system.open_files),
    Check("directory", place.directory),
    Check("owner", place.owner),
    Check("trust", place.trust),
    Check("file system", place.files),
    Check("space", place.space),
    Check("writing", trials.writing),
    Check("clock", trials.clock),
    Check("locks", trials.locks),
    Check("maps", trials.maps),
    Check("sqlite", index.sqlite),
    Check("journal", index.journal),
    Check("index", index.index),
    Check("collections", index.collections),
    Check("leftovers", index.leftovers),
    Check("quarantine", index.quarantine),
    Check("redis", team.redis),
    Check("store", team.store),
    Check("signing", team.signing),
)


def ask(check: Check, patient: Patient) -> Finding:
    """Return what a check finds; a check that fails is a problem, never an exception."""
    try:
        finding = check.ask(patient)
    except Moot as moot:
        finding = Finding(OK, f"does not apply: {moot}")
    except (OSError, apsw.Error) as error:
        finding = Finding(PROBLEM, f"cannot be found out ({error})", "See what the system says.")
    return Finding(*map(without_secrets, finding))
