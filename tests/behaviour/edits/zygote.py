"""Runs user programs, each in a process of its own that is forked from one which knows nothing.

Reads one JSON request a line, answers with one JSON line: what the program printed, which stages
ran, and the error if it raised. Forking saves the import of pandas and IPython for each of a
thousand runs; the user's code is imported in the child only.
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
import traceback

STAGECACHE = (
    "stagecache.default",
    "stagecache.fingerprint.code.manifest",
    "stagecache.fingerprint.code.statements",
    "stagecache.fingerprint.reads.bypasses",
    "stagecache.fingerprint.walk",
    "stagecache.stores.disk",
    "encodings.ascii",
    "hmac",
    "pkgutil",
)
"""What every child imports before a stage has run, and what these modules import late."""


def preload(names: list[str]) -> None:
    """Import what children will need; the less there is, the faster they are forked."""
    for name in (*STAGECACHE, *names):
        importlib.import_module(name)


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
    answer = {"printed": printed.getvalue(), "ran": ran, "error": error}
    with os.fdopen(out, "w") as stream:
        stream.write(json.dumps(answer))


def main() -> None:
    del os.environ["PYTHONHASHSEED"]  # a program that reads all variables would see it change
    preload(sys.argv[1:])
    if "IPython.core.interactiveshell" in sys.modules:
        notebook()
    gc.disable()
    gc.freeze()  # a collection in a child would copy every page of what was loaded
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
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
        print(answer or json.dumps({"error": "the child died"}), flush=True)


if __name__ == "__main__":
    main()
