"""Asks probes of stages again for those who called such a stage inside a body.

What a stage's probe (``depends=``) answers is in the stage's own key. A body that calls the stage
has no such key: for it the answer is like a file that it read.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code import complete
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Digest, Read

if TYPE_CHECKING:
    from collections.abc import Mapping


def probe_read(stage: str, arguments: Mapping[str, Any], answer: Digest) -> Read:
    """Return what stands for an answer among the reads of a body.

    Parameters
    ----------
    stage : str
        As ``module:qualname``.
    arguments : mapping
        Of the probe. If they are not plain data it cannot be asked again, and what rests on it is
        never good.
    answer : Digest
        Its fingerprint.

    Examples
    --------
    >>> probe_read("etl:rates", {"day": 3}, Digest(bytes(16))).name
    'etl:rates {"day": 3}'
    """
    try:
        told = json.dumps(dict(arguments), sort_keys=True, default=os.fspath)
    except (TypeError, ValueError):
        told = "?"
    return Read("probe", f"{stage} {told}", answer)


def answer_now(name: str) -> Digest | None:
    """Return the fingerprint of what a probe answers now; None: it cannot be asked.

    Parameters
    ----------
    name : str
        Of a read made by :func:`probe_read`.
    """
    where, _, told = name.partition(" ")
    module, _, path = where.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    try:
        answer = found.settings.depends(**json.loads(told))
        taken = fingerprint(answer, is_input=True)
        return complete(taken) if taken.refs else taken.digest
    except Exception:  # noqa: BLE001 - it is not found, or the source cannot be reached
        return None
