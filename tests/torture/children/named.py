"""Uses a store under hostile names and keeps watch over every file that is opened or changed.

argv: the cache. For each line that is read 20 names are tried; the answer is how many, or what was
touched outside.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys

from stagecache.errors import StoreError
from stagecache.model import CodeManifest, CodePart, Digest, Provenance, Read, RunRecord
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry

ROOT = os.path.abspath(sys.argv[1])
WATCHED = {
    "open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir",
    "os.link", "os.symlink", "os.truncate", "os.utime", "os.chmod", "os.chown", "shutil.rmtree",
}  # fmt: skip
PARTS = [
    "..", "../..", "/", "//", "\0", "\n", "\\", "~", "$HOME", "%s", "{}", "'", '"', ";", "--", "*",
    "?", "[a]", "CON", "a" * 300, "\ud800", "\udcff", "\u202e", "e\u0301", "\U0001f4a9", "\x7f",
    "index.db", "v1", "tmp", "/etc/passwd", "file:///x?mode=rwc", ":memory:", "'); DROP TABLE",
    "entries", ".", " ",
]  # fmt: skip
outside: list[str] = []
watching = False


def watch(event, arguments):
    if watching and event in WATCHED:
        for path in arguments[:2]:
            if isinstance(path, (str, bytes)) and not within(os.fsdecode(path)):
                outside.append(f"{event} {path!r}")


def within(path):
    if path.startswith(("/proc/", "/dev/urandom", sys.prefix, sys.base_prefix)) or path == "r":
        return True
    path = os.path.normpath(os.path.join(os.getcwd(), path))
    return path == ROOT or path.startswith(ROOT + os.sep)


def name():
    return "".join(random.choice(PARTS) for _ in range(random.randrange(1, 5)))


def raw():
    """Return bytes that are no digest."""
    return random.choice(
        [name().encode("utf-8", "surrogatepass"), os.urandom(random.randrange(40)), b"", b"../" * 5]
    )


def use(store):
    entry = make_entry(
        raw(), stage=name(), codec=name(), code=Digest(raw()), result=Digest(raw()),
        reads=(Read("file", name(), Digest(raw())),), refs=(name(),), items=raw(),
    )  # fmt: skip
    provenance = Provenance(entry.key, (), name(), 1, name())
    manifest = CodeManifest(entry.code, (CodePart(name(), "function", Digest(raw()), name()),))
    size = random.choice([10, 20_000])
    kept = store.put(entry, [os.urandom(size)], provenance, manifest)
    store.get(entry.key)
    store.get_many([entry.key, raw()])
    store.load(kept)
    # As a foreign index might say:
    for field in ("blob", "inline"):
        store.load(kept._replace(**{"inline": None, "blob": None, field: raw()}))
    store.find(name())
    list(store.entries(name(), 3))
    store.manifest(Digest(raw()))
    store.record_run(RunRecord(name(), 1.0, 1.0, (name(),), 1, (), 1.0))
    store.remember("kind", raw(), raw())
    store.recall("kind", raw())
    store.count_use(raw(), 1.0)
    if random.random() < 0.5:
        store.remove([entry.key, raw()])


def main():
    global watching
    store = DiskStore(ROOT, limits={"max_size": 5_000_000})
    store.put(make_entry(), [b"v" * 20_000], Provenance(bytes(16), (), "", 1, ""), None)
    store.verify()  # imports what it needs
    store.gc()
    with contextlib.suppress(StoreError):
        use(store)
    sys.addaudithook(watch)
    for line_number, _ in enumerate(sys.stdin):
        watching = True
        for _ in range(20):
            with contextlib.suppress(StoreError):  # as unpaired surrogates are refused
                use(store)
        if line_number % 20 == 0:
            plant(store)
            store.gc(grace=-1.0)
            store.verify(repair=True)
        watching = False
        print(f"failed: {outside[:5]}" if outside else 20, flush=True)
        outside.clear()


def plant(store):
    """Say in the index what nobody of ours writes there."""
    with store._connections.writing() as connection:
        for place in ("blobs", "trash", "quarantine", name()):
            with contextlib.suppress(Exception):
                connection.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (place, name(), 10**7, 0.0)
                )


main()
