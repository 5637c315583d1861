"""No code that somebody planted in a cache directory runs, in whatever way it came here."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import warnings
from pathlib import Path

import numpy as np

import stagecache
from stagecache.codecs import codec
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_provenance

KINDS = [
    (name, size, label)
    for name in ("pickle", "cloudpickle")
    for size in (0, 50_000)  # in the row, in a blob
    for label in (name, f"{name}+zstd", "plain", "array", "file")
]
COUNT = len(KINDS)
NAMES_A_MODULE, IN_A_PART = COUNT, COUNT + 1
ALL = COUNT + 2


@stagecache.stage
def value(n: int) -> object:
    return [np.arange(5_000) + n, n] if n == IN_A_PART else [n, n]


@stagecache.stage
def passed(kept: object) -> object:
    return kept


@stagecache.pipeline
def after(n: int) -> object:
    return passed(value(n))


class Evil:
    """What touches the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "a")


def plant(root: Path, canary: Path) -> None:
    """Put a payload in place of each result, as somebody could who may write there."""
    with stagecache.Cache(root) as cache, warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = {}
        for n in range(ALL):
            before = {entry.key for entry, _ in cache.entries()}
            value(n)
            (kept[n],) = [entry for entry, _ in cache.entries() if entry.key not in before]
    store = DiskStore(root)
    for n, (name, size, label) in enumerate(KINDS):
        replace(store, kept[n], label, codec(name).encode([Evil(canary), bytes(size)]))
    replace(store, kept[NAMES_A_MODULE], "plain", codec("plain").encode(0), refs=("planted:X",))
    for key in kept[IN_A_PART].parts:
        replace(store, store.get(key), "pickle", codec("pickle").encode(Evil(canary)))
    store.close()


def replace(store, entry, codec, sections, **fields):
    planted = entry._replace(
        codec=codec, generation=entry.generation + 1, inline=None, blob=None, parts=(), **fields
    )
    stood = store.put(planted, sections, make_provenance(entry), None)
    assert stood.codec == codec


def copied(root, there):
    shutil.copytree(root, there)


def copied_to_be_read(root, there):
    shutil.copytree(root, there)
    (there / "v1").chmod(0o500)


AS_IT_IS = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
"""For Python before 3.11.4, which knows no filters."""


def unpacked(root, there):
    archive = there.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(root, there.name)
    with tarfile.open(archive) as tar:
        tar.extractall(there.parent, **AS_IT_IS)
    archive.unlink()


def linked(root, there):
    target = there.with_suffix(".target")
    shutil.copytree(root, target)
    DiskStore(target).trust()
    there.symlink_to(target)


def open_to_all(root, there):
    shutil.copytree(root, there)
    DiskStore(there).trust()
    there.chmod(0o777)


def opened_and_closed(root, there):
    shutil.copytree(root, there)
    DiskStore(there).trust()
    (there / "v1").chmod(0o777)
    store = DiskStore(there)
    assert store.get(bytes(16)) is None
    store.close()
    (there / "v1").chmod(0o700)


def without_its_index(root, there):
    shutil.copytree(root, there)
    for path in (there / "v1").glob("index.db*"):
        path.unlink()


def of_somebody_else(root, there):
    shutil.copytree(root, there)
    for path in [there, *there.rglob("*")]:
        os.chown(path, 12345, 12345)


def declared_as_shared(root, there):
    shutil.copytree(root, there)
    (there / "v1").chmod(0o770)


WAYS = [
    (copied, {}), (unpacked, {}), (linked, {}), (open_to_all, {}), (opened_and_closed, {}),
    (without_its_index, {}), (declared_as_shared, {"shared": True}),
    (copied_to_be_read, {"read_only": True}), (copied, {"read_only": True}),
    (unpacked, {"shared": True}), (linked, {"read_only": True}), (linked, {"shared": True}),
]  # fmt: skip
if os.geteuid() == 0:  # only root can give files away
    WAYS += [(of_somebody_else, {}), (of_somebody_else, {"read_only": True})]


def set_off(root, there, canary):
    """Let the traps run where they are trusted, to see that they are set."""
    shutil.copytree(root, there)
    DiskStore(there).trust()
    with stagecache.Cache(there), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in (*(n for n, kind in enumerate(KINDS) if kind[0] == kind[2]), IN_A_PART):
            value(n)
            assert canary.exists(), n
            canary.unlink()
        after(NAMES_A_MODULE)
        assert canary.exists()
        canary.unlink()
        del sys.modules["planted"]


def test_nothing_that_was_planted_runs(rounds, tmp_path, monkeypatch):
    canary, root = tmp_path / "canary", tmp_path / "planted"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "planted.py").write_text(f"class X: pass\nopen({str(canary)!r}, 'a')")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    plant(root, canary)
    set_off(root, tmp_path / "trusted", canary)
    payloads = 0
    for number in rounds(10 * len(WAYS), "directories", least=2 * len(WAYS)):
        arrive, settings = WAYS[number % len(WAYS)]
        there = tmp_path / f"there-{number}"
        arrive(root, there)
        with stagecache.Cache(there, **settings) as cache, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n in range(ALL):
                payloads += 1
                found = after(n) if n == NAMES_A_MODULE else value(n)
                if n != IN_A_PART and found not in ([n, n], 0):
                    rounds.failed(f"{arrive.__name__} {settings} gave {found}")
            cache.verify()
            list(cache.entries())
        if canary.exists() or "planted" in sys.modules:
            rounds.failed(f"{arrive.__name__} {settings}")
            canary.unlink(missing_ok=True)
            sys.modules.pop("planted", None)
        if there.is_symlink():
            shutil.rmtree(there.resolve())
            there.unlink()
        else:
            shutil.rmtree(there)
    rounds.note(f"{payloads} payloads")
    assert payloads >= 500
