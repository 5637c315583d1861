"""Runs user programs, each in a process of its own that is forked from one which knows nothing.

Reads one JSON request a line, answers with one JSON line: what the program printed, which stages
ran, the error if it raised, and what it imported of what is installed. Forking saves the import of
libraries for each of ten thousand runs; the user's code is imported in the child only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import sys
import tempfile
import traceback

PROGRAM = """
import stagecache


@stagecache.stage
def length() -> int:
    return len(open("pyproject.toml").read())


def main() -> None:
    print(length())


# %%
if __name__ == "__main__":
    main()
"""


def preload(names: list[str]) -> None:
    """Import what children will need; the less there is, the faster they are forked."""
    for name in ("stagecache.default", *names):
        importlib.import_module(name)
    if has_shell():
        notebook()
    for name in imported_late():
        importlib.import_module(name)


def has_shell() -> bool:
    return "IPython.core.interactiveshell" in sys.modules


def imported_late() -> list[str]:
    """Return the modules that a first program imports while it runs, tried in a child."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "main.py"), "w", encoding="utf-8") as stream:
            stream.write(PROGRAM)
        with open(os.path.join(folder, "pyproject.toml"), "w", encoding="utf-8"):
            pass
        found: list[str] = []
        for mode in ("script", "cells") if has_shell() else ("script",):
            directory = os.path.join(folder, f"kept by {mode}")
            answer = answer_of({"folder": folder, "directory": directory, "mode": mode})
            assert answer["error"] is None, answer["error"]
            found += answer["imported"]
        return found


def as_script(folder: str) -> None:
    sys.argv = ["main.py"]
    runpy.run_path(os.path.join(folder, "main.py"), run_name="__main__")


def as_module(folder: str) -> None:
    import main

    main.main()


def notebook():
    """Return the shell; it is made before the fork, for it takes longer than what runs in it."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(colors="nocolor", history_length=0)
    shell.history_manager.enabled = False
    return shell


def as_cells(folder: str) -> None:
    shell = notebook()
    with open(os.path.join(folder, "main.py"), encoding="utf-8") as stream:
        text = stream.read()
    for cell in text.split("\n# %%\n"):
        shell.run_cell(cell).raise_error()


MODES = {"script": as_script, "module": as_module, "cells": as_cells}


def child(request: dict, out: int) -> None:
    import stagecache

    known = {*sys.modules}
    os.chdir(request["folder"])
    sys.path.insert(0, request["folder"])
    os.environ.update(request.get("env", {}))
    sys.dont_write_bytecode = True
    ran = []
    cache = stagecache.Cache(request["directory"])
    cache.listen(lambda event: ran.append(event.node) if event.kind == "ran" else None)
    printed = io.StringIO()
    error = None
    with contextlib.redirect_stdout(printed):
        try:
            with cache:
                MODES[request["mode"]](request["folder"])
        except BaseException:
            error = traceback.format_exc()
    imported = [name for name in sys.modules if name not in known and is_installed(name)]
    answer = {"printed": printed.getvalue(), "ran": ran, "error": error, "imported": imported}
    with os.fdopen(out, "w") as stream:
        stream.write(json.dumps(answer))


def is_installed(name: str) -> bool:
    """Tell whether a module can be imported by its name, and is nothing of the user's."""
    if name.startswith("stagecache."):
        return True
    spec = getattr(sys.modules[name], "__spec__", None)
    if spec is None or spec.name != name:
        return False
    origin = spec.origin or ""
    return origin in ("built-in", "frozen") or origin.startswith((sys.prefix, sys.base_prefix))


def answer_of(request: dict) -> dict:
    """Run a program in a child, and return what came of it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            child(request, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else {"error": "the child died"}


def serve() -> None:
    """Answer one request a line; where modules are asked for, by a child that has them."""
    gc.disable()
    gc.freeze()  # a collection in a child would copy every page of what was loaded
    print("ready", flush=True)
    while line := sys.stdin.readline():
        request = json.loads(line)
        if request == "done":
            return
        if isinstance(request, list):
            pid = os.fork()
            if pid == 0:
                for name in request:
                    with contextlib.suppress(ImportError):
                        importlib.import_module(name)
                serve()
                os._exit(0)
            os.waitpid(pid, 0)
            print("ready", flush=True)
        else:
            print(json.dumps(answer_of(request)), flush=True)


def main() -> None:
    del os.environ["PYTHONHASHSEED"]  # a program that reads all variables would see it change
    preload(sys.argv[1:])
    serve()


if __name__ == "__main__":
    main()
