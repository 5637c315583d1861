"""Listens to the interpreter's audit events and tells those that concern files to whose they are.

An audit hook cannot be removed, and memos may be filled before any body runs, so it listens all the
time. It never raises: an event that it cannot read is one that it did not see.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_user_module
from stagecache.fingerprint.reads.attached import file_of
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.descriptors import below, path_of
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners
from stagecache.reading import note_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.fingerprint.reads.sightings import Sightings

_QUEUES = "multiprocessing.queues"
_PRODUCT = __name__.partition(".")[0] + "."
_IMPORTING = frozenset({"importlib._bootstrap", "_frozen_importlib"})


@once
def install() -> None:
    """Begin to listen, once in the life of the process."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _HEARD:  # as most: to look at a function or to ask for an id is an event
        return
    try:
        if event == _LOCKING:
            note_lock(*arguments)
            return
        tell = _TELLERS[event]
        if event == "exec" and not _is_by_hand(sys._getframe(1)):
            return
        for recorder in owners():
            tell(recorder.seen, *arguments)
    except Exception:  # noqa: BLE001, S110 - an exception would stop what is audited
        pass


def _text(name: Any) -> str | None:
    """Return a path as text; None for a descriptor."""
    if type(name) is str:
        return name
    if isinstance(name, int):
        return None
    return os.fsdecode(name)


def _open(seen: Sightings, name: Any, mode: str | None, flags: int) -> None:
    text = _text(name)
    if text:
        seen.opened(text, mode, flags)


def _list(seen: Sightings, name: Any) -> None:
    if isinstance(name, int):
        from stagecache.fingerprint.reads.ignored import is_removal  # brings much, for few

        text = None if is_removal() else path_of(name)
    else:
        text = _text(name or ".")
    if text:
        seen.listed(text)


def _mkdir(seen: Sightings, name: Any, _mode: int, folder: int) -> None:
    text = below(folder, name)
    if text:
        seen.made_folder(text)


def _rename(seen: Sightings, old: Any, new: Any, old_folder: int, new_folder: int) -> None:
    source, target = below(old_folder, old), below(new_folder, new)
    if source and target:
        seen.renamed(source, target)


def _remove(seen: Sightings, name: Any, folder: int) -> None:
    text = below(folder, name)
    if text:
        seen.removed(text)


def _link(seen: Sightings, old: Any, new: Any, folder: int, *_new_folder: int) -> None:
    source, target = _text(old), below(folder, new)
    if source and target:
        seen.linked(source, target)


def _truncate(seen: Sightings, name: Any, _length: int) -> None:
    text = _text(name)
    if text:
        seen.opened(text, "r+", os.O_WRONLY)


def _chdir(seen: Sightings, name: Any) -> None:
    text = path_of(name) if isinstance(name, int) else _text(name)
    if text:
        seen.moved(text)


def _connect(seen: Sightings, database: Any) -> None:
    text = file_of(_text(database) or "")
    if not text:
        return
    tell = seen.read if os.path.exists(text) else seen.overwritten
    tell(text)
    tell(text + "-wal")


def _load(seen: Sightings, library: Any) -> None:
    text = _text(library)
    if text and os.sep in text:  # others are looked for where the system has its own
        seen.read(text, by_hand=True)


def _unpickle(seen: Sightings, module: Any, name: Any) -> None:
    if seen.tell is not None and sys._getframe(2).f_globals.get("__name__") == _QUEUES:
        return  # work that the body has handed to this process
    with nobody():  # to find out whose code it is may list folders
        is_of_the_user = is_user_module(module)
    if is_of_the_user:
        seen.imported(f"{module}:{name}")


def _start(seen: Sightings, *arguments: Any) -> None:
    from stagecache.fingerprint.reads.children import starts

    starts(seen, *arguments)


def _spawn(seen: Sightings, program: Any, arguments: Any, environ: Any) -> None:
    _start(seen, program, arguments, None, environ)


def _is_by_hand(frame: Any) -> bool:
    """Tell whether code is not executed by an import statement or what stands for one.

    Above the frame where it is executed the machinery of imports says that one is under way.
    """
    above = 0
    while above < 2 and frame is not None:
        frame = frame.f_back
        name = "" if frame is None else str(frame.f_globals.get("__name__"))
        if name in _IMPORTING:
            return False
        above += not name.startswith(_PRODUCT)  # whose loaders let others load
    return True


def _execute(seen: Sightings, code: Any) -> None:
    from stagecache.fingerprint.reads.executed import executes

    executes(seen, code)


def _run_shell(seen: Sightings, *arguments: Any) -> None:
    from stagecache.fingerprint.reads.children import runs_shell

    runs_shell(seen, *arguments)


_TELLERS: dict[str, Callable[..., None]] = {
    "open": _open,
    "os.listdir": _list,
    "os.scandir": _list,
    "os.mkdir": _mkdir,
    "os.rename": _rename,
    "os.remove": _remove,
    "os.rmdir": _remove,
    "os.link": _link,
    "os.symlink": _link,
    "os.truncate": _truncate,
    "os.chdir": _chdir,
    "sqlite3.connect": _connect,
    "subprocess.Popen": _start,
    "os.posix_spawn": _spawn,
    "os.exec": _spawn,
    "os.system": _run_shell,
    "ctypes.dlopen": _load,
    "pickle.find_class": _unpickle,
    "exec": _execute,
}
_LOCKING = "fcntl.lockf"
_HEARD = frozenset({*_TELLERS, _LOCKING})
