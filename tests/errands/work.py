"""What processes do for bodies; they import it, so it imports little."""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
import tempfile
import threading
from pathlib import Path

KEPT = {}
STATE = {}


def name_of(number):
    return "".join((str(number), ".", "txt"))


def read(number):
    return Path(name_of(number)).read_text()


def is_there(number):
    return os.path.exists(name_of(number))


def names_below(number):
    return sorted(os.listdir("folder" + str(number)))


def variable(letter):
    return os.environ.get("SITE_" + letter)


def scratch(number):
    path = Path("scratch" + name_of(number))
    path.write_text("own")
    text = path.read_text()
    path.unlink()
    return text


@functools.cache
def kept(number):
    return read(number)


def kept_by_hand(number):
    if number not in KEPT:
        KEPT[number] = read(number)
    return KEPT[number]


def rated(number):
    from errands import stages

    return stages.rates(number)


def fails(number):
    raise LookupError(read(number))


def dies(number):
    os._exit(3)


def has_loaded(module):
    return module in sys.modules


def waits(fifo, number):
    with open("fifo" + fifo):
        return read(number)


def in_a_thread(number):
    found = []
    thread = threading.Thread(target=lambda: found.append(read(number)))
    thread.start()
    thread.join()
    return found[0]


def total(array, number):
    return float(array.sum()) + len(read(number))


def prepare(number):
    STATE["prepared"] = read(number)


def prepare_noted(number):
    import stagecache  # noqa: F401 - so that it is seen

    prepare(number)


def prepared(_):
    return STATE["prepared"]


def starts_two(method, number):
    children = [
        multiprocessing.get_context(method).Process(target=read, args=(number,)),
        multiprocessing.get_context("fork").Process(target=read, args=(number + 1,)),
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    read(number + 2)


def leaves_no_folder(number):
    there = os.getcwd()
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    return there


def goes_to(folder):
    os.chdir(folder)
