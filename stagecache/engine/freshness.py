"""Decides who computes anew what is kept and could still be served, and what the others get.

Nobody waits here. Of those who find a result that has expired but may be served for a while, or
one that is about to expire, the caller who gets the lease at once runs the body; all others take
what is kept. So does that caller if the body fails.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from stagecache.engine.publish import Produced
from stagecache.engine.resolve import ValueMissing
from stagecache.errors import warn
from stagecache.model import Reason
from stagecache.plan import expiry, told
from stagecache.records import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.engine.compute import Computer
    from stagecache.engine.context import Context
    from stagecache.engine.lookup import Found
    from stagecache.engine.request import Request
    from stagecache.model import Entry, Options


def is_due(context: Context, request: Request, found: Found, now: float | None = None) -> bool:
    """Tell whether to try to compute anew what was found, though it can be served."""
    options, entry = request.stage.settings, found.entry
    if found.is_stale:
        return True
    if options.ttl is None or entry is None:
        return False
    if options.early_refresh is None or not found.is_good or not entry.has_value:
        return False
    # The result of other files that the body read then has a key of its own, and no lease.
    if entry.key != request.key:
        return False
    return is_early(entry, options, context.clock.now() if now is None else now, context.draw)


def is_early(entry: Entry, options: Options, now: float, draw: Callable[[], float]) -> bool:
    """Tell by chance whether to refresh a result before it expires.

    Parameters
    ----------
    entry : Entry
        A good result.
    options : Options
        Of its stage.
    now : float
        Seconds since the epoch.
    draw : callable
        Returns a random number from 0 up to but not 1.

    Notes
    -----
    XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede
    Prevention", VLDB 2015. Each caller moves the time forward by what the body takes, times
    `early_refresh`, times an exponentially distributed number, and looks whether that is past
    the expiry.
    """
    moment = expiry(entry, options)
    if options.early_refresh is None or moment is None:
        return False
    return now - entry.seconds * options.early_refresh * log(1.0 - draw()) >= moment


def early_reason(found: Found, options: Options, now: float) -> Reason | None:
    """Return why a good result is computed anew."""
    moment = None if found.entry is None else expiry(found.entry, options)
    if not found.is_good or moment is None:
        return None
    return Reason("expired", f"in {duration(moment - now)}", "refreshed early")


def renew(
    computer: Computer,
    request: Request,
    bind: Callable[[], dict[str, Any]],
    found: Found,
    *,
    wait: bool = False,
) -> Produced:
    """Compute a request anew if nobody is at it; else, or if the body fails, serve what was found.

    Parameters
    ----------
    computer : Computer
        Runs the body.
    request : Request
        What is due.
    bind : callable
        Returns its arguments with every node replaced by its value.
    found : Found
        What is served otherwise.
    wait : bool, optional
        Whether to wait for whoever is at it: where the old value cannot be had meanwhile.

    Raises
    ------
    ValueMissing
        If `bind` does, and what was found has expired.
    Exception
        What the body raised, if the old value is not there any more.
    """
    spare = _Spare(computer, request, found)
    try:
        produced: Produced | None
        if wait:
            produced = computer.obtain(request, bind(), better_than=found.entry, rescue=spare.take)
        else:
            produced = computer.obtain_nowait(
                request, bind, better_than=spare.better_than, rescue=spare.take
            )
    except ValueMissing:
        if found.is_good:  # not worth running what makes the inputs
            return spare.kept()
        raise
    except Exception as error:  # noqa: BLE001 - whatever a stage raises
        return spare.after(error)
    return produced or spare.beside()


async def renew_async(
    computer: Computer, request: Request, found: Found, *, wait: bool = False
) -> Produced:
    """Do the same for an ``async def`` stage, awaited on the caller's event loop."""
    spare = _Spare(computer, request, found)
    try:
        produced: Produced | None
        if wait:
            produced = await computer.obtain_async(
                request, request.bound, better_than=found.entry, rescue=spare.take
            )
        else:
            produced = await computer.obtain_async_nowait(
                request, request.bound, better_than=spare.better_than, rescue=spare.take
            )
    except Exception as error:  # noqa: BLE001 - whatever a stage raises
        return spare.after(error)
    return produced or spare.beside()


class _Spare:
    """The result that is served if there is no new one."""

    def __init__(self, computer: Computer, request: Request, found: Found) -> None:
        assert found.entry is not None
        self._computer = computer
        self._context = computer.context
        self._request = request
        self._found = found
        self._entry = found.entry
        self._taken: list[Any] = []
        self.better_than = found.entry if found.is_good else None

    def take(self) -> None:
        """Load the old value while nobody else can be at work on a new one.

        A file is put back: the body may have left half of a new one in its place.
        """
        newest = self._computer.look_up(self._request)
        if newest.entry is not None and (newest.is_stale or newest.is_good):
            self._entry = newest.entry
        is_there, value = self._computer.load(self._entry)
        if is_there:
            self._taken.append(value)

    def beside(self) -> Produced:
        """Serve the old result while somebody else makes the new one."""
        holder = self._context.leases.holder(self._entry.key)
        whom = f"pid {holder.pid} on {holder.host}" if holder else "somebody else"
        return self._served(f"while {whom} refreshes it")

    def kept(self) -> Produced:
        """Go on with a good result as if no refresh had been thought of."""
        return self._served("")

    def after(self, error: Exception) -> Produced:
        """Serve the old result because there is no new one; raise `error` if it is gone."""
        if not self._taken:
            is_there, value = self._computer.load(self._entry, self._request.stage.settings)
            if not is_there:
                raise error
            self._taken.append(value)
        told = f"{type(error).__name__}: {error}"
        self._warn(told, error)
        produced = self._served(f"because its refresh raised {told}")
        return produced._replace(value=self._taken[0], is_kept=False)

    def _served(self, why: str) -> Produced:
        entry, context = self._entry, self._context
        context.store.count_use(entry.key, entry.seconds)
        reason = None
        if self._found.outdated is not None:
            outdated = self._found.outdated
            detail = f"{told(outdated, context.clock.now())}; served all the same, {why}"
            reason = Reason("expired", outdated.subject, detail)
        elif self._found.is_stale:
            age = duration(context.clock.now() - entry.created)
            reason = Reason("expired", f"{age} old", f"served stale, {why}")
        return Produced(entry, None, ran=False, is_kept=True, why=reason)

    def _warn(self, told: str, error: Exception) -> None:
        import logging

        options, now = self._request.stage.settings, self._context.clock.now()
        ends, until = expiry(self._entry, options), ""
        if ends is not None:
            left = max(0.0, ends + (options.serve_stale or 0.0) - now)
            until = f"; in {duration(left)} the error will be raised"
        name = self._request.stage.name
        logging.getLogger("stagecache").info("The refresh of %s failed", name, exc_info=error)
        warn(
            f"`{name}` could not be refreshed ({told}), probably because what it asks is in "
            f"trouble. The result of {duration(now - self._entry.created)} ago is used instead, "
            f"and every call tries again{until}."
        )
