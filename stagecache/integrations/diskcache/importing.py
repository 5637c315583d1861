"""Brings the items of an old directory of diskcache over; what is left behind is counted."""

from __future__ import annotations

import io
import os
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.errors import EncodeError, FingerprintError, StagecacheWarning, StoreError
from stagecache.integrations.diskcache.cache import Cache
from stagecache.integrations.diskcache.coding import tag_text
from stagecache.integrations.diskcache.disk import Disk, JSONDisk
from stagecache.integrations.diskcache.fanout import FanoutCache
from stagecache.integrations.diskcache.old import (
    Expired,
    Item,
    OldCache,
    Source,
    Unreadable,
    sources,
)
from stagecache.integrations.diskcache.words import DEFAULT_SETTINGS, EVICTION_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.integrations.diskcache.memoizing import Memoizing

_BATCH = 100
_JSON = "disk_compress_level"
_SHOWN = 20
"""Items of which is told why they were left behind."""


class Report(NamedTuple):
    """What became of one cache."""

    source: str
    target: str
    brought: int
    there: int
    """Items whose key the target had already: they are as they were."""
    expired: int
    pickles: int
    """Items left behind since somebody else may have written their pickles."""
    unreadable: int
    """Items left behind for other reasons."""
    problems: list[str]
    """What was wrong; of items, the first twenty."""
    is_done_before: bool = False
    """Whether all was brought over by an earlier import, so that nothing was done now."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left behind."""
        return not (self.pickles or self.unreadable or self.problems)


def bring(
    directory: str,
    target: str,
    *,
    again: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Report]:
    """Bring all caches of a directory of diskcache over, and yield what became of each.

    An item whose key is there already is left alone, so that whoever was interrupted begins again.

    Parameters
    ----------
    directory : str
        Of a Cache, Deque, Index or FanoutCache of diskcache; it stays as it is.
    target : str
        Where items are brought; it may be the same directory.
    again : bool, optional
        Whether to do so though it was done before.
    progress : callable, optional
        Called now and then with the items of one cache that were seen, and that there are.
    """
    for source in sources(directory):
        where = os.path.join(target, source.relative) if source.relative else target
        name = os.path.join(directory, source.relative) if source.relative else directory
        tell = progress or (lambda _seen, _all: None)
        yield _Import(source, name, where, again).run(tell)


class _Import:
    """One cache on its way."""

    def __init__(self, source: Source, name: str, target: str, again: bool) -> None:
        self._source = source
        self._name = name
        self._target = target
        self._again = again
        self._counts: Counter[str] = Counter()
        self._problems: list[str] = []

    def run(self, progress: Callable[[int, int], None]) -> Report:
        old: list[OldCache] = []
        for part in self._source.parts:
            try:
                old.append(OldCache(part))
            except Unreadable as error:
                self._problems.append(str(error))
        is_done_before = False
        try:
            settings = old[0].settings if old else {}
            if old and self._is_known(settings):
                is_done_before = self._bring(old, settings, progress)
        except (StoreError, OSError) as error:
            self._problems.append(f"{self._target} takes nothing more: {error}")
        finally:
            for each in old:
                each.close()
        counts = self._counts
        return Report(
            self._name, self._target, counts["brought"], counts["there"], counts["expired"],
            counts["pickles"], counts["unreadable"], self._problems, is_done_before,
        )  # fmt: skip

    def _is_known(self, settings: dict[str, Any]) -> bool:
        """Tell whether the ordinary disk wrote it, or JSONDisk: of others only they can read."""
        known = {*DEFAULT_SETTINGS, _JSON}
        strange = sorted(n for n in settings if n.startswith("disk_") and n not in known)
        if strange:
            self._problems.append(
                f"{self._name} was written by a Disk of somebody's own ({', '.join(strange)}): "
                "copy its items by a program that has that class"
            )
        return not strange

    def _bring(
        self,
        old: list[OldCache],
        settings: dict[str, Any],
        progress: Callable[[int, int], None],
    ) -> bool:
        is_json = any(each.is_json() for each in old)
        cache = self._opened(settings, JSONDisk if is_json else Disk)
        try:
            done = cache._place.kept().get("imported", [])
            if self._name in done and not self._again:
                return True
            total = sum(map(len, old))
            seen = 0
            disk = cache.disk if isinstance(cache.disk, JSONDisk) else None
            for part in old:
                for batch in self._batches(part):
                    before = self._counts.copy()
                    try:
                        with cache.transact(retry=True):
                            for row in batch:
                                self._one(cache, part, row, disk)
                    except BaseException:
                        self._counts = before  # nothing of it was kept
                        raise
                    seen += len(batch)
                    progress(seen, total)
            if not (self._problems or self._counts["pickles"]):
                cache._place.change({"imported": [*{*done, self._name}]})
        finally:
            cache.close()
        return False

    def _opened(self, settings: dict[str, Any], disk: type[Disk]) -> Memoizing:
        wanted = {name: value for name, value in settings.items() if _is_sound(name, value)}
        shards = len(self._source.parts)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*holds a cache of diskcache", StagecacheWarning)
            with Cache(self._target) as probe:
                is_new = not len(probe)
        if not is_new:
            wanted = {_JSON: wanted[_JSON]} if _JSON in wanted else {}
        if not self._source.is_fan:
            return Cache(self._target, disk=disk, **wanted)
        if "size_limit" in wanted:
            wanted["size_limit"] *= shards
        return FanoutCache(self._target, shards if is_new else None, disk=disk, **wanted)

    def _batches(self, old: OldCache) -> Iterator[list[tuple[Any, ...]]]:
        batch: list[tuple[Any, ...]] = []
        try:
            for row in old.rows():
                batch.append(row)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        except Unreadable as error:
            self._problems.append(str(error))
        if batch:
            yield batch

    def _one(
        self, cache: Memoizing, old: OldCache, row: tuple[Any, ...], disk: JSONDisk | None
    ) -> None:
        now = time.time()
        try:
            item = old.item(row, now, disk)
            is_added = _added(cache, item, now)
        except Expired:
            self._counts["expired"] += 1
        except PermissionError:
            self._counts["pickles"] += 1
        except (Unreadable, EncodeError, FingerprintError, TypeError, ValueError) as error:
            self._counts["unreadable"] += 1
            if self._counts["unreadable"] <= _SHOWN:
                self._problems.append(f"item {row[0]} of {old.directory}: {error}")
        else:
            self._counts["brought" if is_added else "there"] += 1


def _is_sound(name: str, value: Any) -> bool:
    """Tell whether a setting can be one here: a damaged file may hold anything."""
    if name == "eviction_policy":
        return isinstance(value, str) and value in EVICTION_POLICY
    if name == _JSON:
        return isinstance(value, int) and 0 <= value <= 9
    if name not in DEFAULT_SETTINGS:
        return False
    is_text = isinstance(DEFAULT_SETTINGS[name], str)
    return isinstance(value, str if is_text else (int, float))


def _added(cache: Memoizing, item: Item, now: float) -> bool:
    """Keep an item unless its key is there; a pickle as it is, which is read when it is got."""
    coding = cache._coding
    if item.pickled is None:
        value = io.BytesIO(item.value) if item.is_file else item.value
        codec, data = coding.value(value, item.is_file, item.key)
    else:
        codec, data = coding.pickled(item.pickled)
    ranks = {"least-recently-used": item.access_time, "least-frequently-used": item.access_count}
    policy = cache._policy
    return cache._items.add(
        coding.key(item.key),
        codec,
        data,
        now=now,
        shown=coding.shown(item.key),
        expires=item.expires,
        tag=tag_text(item.tag),
        due=ranks.get(policy.name, item.store_time) if policy.is_bounded else None,
    )
