"""Finds the pipeline or stage that ``FILE_OR_MODULE:NAME`` names, importing what holds it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from stagecache.errors import UnknownNameError
from stagecache.pipeline import Pipeline
from stagecache.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    Target = Pipeline[..., Any] | Stage[..., Any]


def load_target(text: str) -> Target:
    """Return the pipeline or the stage that `text` names.

    Parameters
    ----------
    text : str
        ``folder/file.py:name`` or ``package.module:name``.

    Raises
    ------
    UnknownNameError
        If there is no such file, module or name; the message offers the nearest.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise UnknownNameError(f"`{text}` is not FILE_OR_MODULE:NAME, like etl.py:nightly")
    module = _load_file(place) if _is_file(place) else _load_module(place)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Pipeline | Stage):
        return found
    known = [n for n, value in vars(module).items() if isinstance(value, Pipeline | Stage)]
    raise UnknownNameError(f"{place} has no pipeline or stage `{name}`.{nearest(name, known)}")


def as_pipeline(target: Target) -> Pipeline[..., Any]:
    """Return the target as a pipeline; a stage becomes one of a single node."""
    if isinstance(target, Pipeline):
        return target

    def call(*args: Any, **kwargs: Any) -> Any:
        return target(*args, **kwargs)

    call.__name__ = call.__qualname__ = target.name
    call.__module__ = target.__module__
    return Pipeline(call)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the names most like `name`, to follow a message.

    Examples
    --------
    >>> nearest("nigthly", ["nightly", "clean"])
    ' Did you mean `nightly`?'
    >>> nearest("x", ["nightly", "clean"])
    ' There are: `clean`, `nightly`.'
    """
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f" Did you mean {' or '.join(f'`{n}`' for n in close)}?"
    if names:
        return f" There are: {', '.join(f'`{n}`' for n in names[:20])}."
    return " There are none."


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place or "/" in place


def _load_file(place: str) -> ModuleType:
    """Import a file as ``python file.py`` would see it, but under its own name.

    It is not ``__main__``: what it defines can then be pickled by name and found by workers.
    """
    import importlib.util

    path = os.path.abspath(place)
    if not os.path.isfile(path):
        raise UnknownNameError(f"There is no file {place}.{_near_files(path)}")
    folder, base = os.path.split(path)
    name = os.path.splitext(base)[0]
    _put_first(folder)
    loaded = sys.modules.get(name)
    if loaded is not None and _is_same(getattr(loaded, "__file__", None), path):
        return loaded
    if loaded is not None or name in sys.stdlib_module_names or "." in name:
        # The name means another module already; this one stays the same in every process, so
        # that classes of the file can be pickled.
        import xxhash

        name = f"{name.replace('.', '_')}_{xxhash.xxh3_64_hexdigest(os.fsencode(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownNameError(f"{place} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_module(place: str) -> ModuleType:
    import importlib

    _put_first(os.getcwd())  # as `python -m` does; an installed script begins elsewhere
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise UnknownNameError(f"There is no module {place}.") from None


def _is_same(loaded: str | None, path: str) -> bool:
    return loaded is not None and os.path.realpath(loaded) == os.path.realpath(path)


def _put_first(folder: str) -> None:
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def _near_files(path: str) -> str:
    folder, base = os.path.split(path)
    if not os.path.isdir(folder):
        return ""
    return nearest(base, [name for name in os.listdir(folder) if name.endswith(".py")])
