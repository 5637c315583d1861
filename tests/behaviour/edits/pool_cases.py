"""Edits of files that a body has read by its threads and processes, or by stages called there.

Only stages of the context are told of: not those in threads.
"""

from __future__ import annotations

from cases import keep, rerun

_THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from joblib import Parallel, delayed
from stagecache import File

@stage
def read(name):
    return Path(name).read_text()

@stage
def given(path: File):
    return path.read_text()

POOL = ThreadPoolExecutor(1)

def in_a_thread(function, *arguments):
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*arguments)))
    thread.start()
    thread.join()
    return found

def in_a_pool(function, *arguments):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, arguments))

@stage
def work(x):
    return {call}
"""
_CALLS = {
    "a thread": "in_a_thread(read, 'data.txt')",
    "a pool": "in_a_pool(read, 'data.txt')",
    "a pool, with a file": "in_a_pool(given, 'data.txt')",
    "a pool that others use": "POOL.submit(read, 'data.txt').result()",
    "threads of joblib": (
        "Parallel(2, prefer='threads')(delayed(read)(name) for name in ['data.txt'])"
    ),
}
for _name, _call in _CALLS.items():
    rerun(
        f"file of a stage that a body calls in {_name}",
        "1",
        "2",
        _THREADS.replace("{call}", _call),
        files={"data.txt": "$edit"},
    )
rerun(
    "file of one of the stages that a pipeline runs, each of which calls another in threads",
    "1",
    "2",
    _THREADS.replace("{call}", "in_a_pool(read, f'data{x}.txt')")
    + """
from stagecache import pipeline

@pipeline
def all_of_them():
    return work.map([1, 2, 3])
""",
    call="all_of_them()",
    reruns=("work[0]",),
    files={"data1.txt": "$edit", "data2.txt": "5", "data3.txt": "5"},
)
_PROCESSES = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

FORK = multiprocessing.get_context("fork")
NAME = "data.txt"

def read(name):
    return Path(name).read_text()

def read_into(name, queue):
    queue.put(read(name))

def read_it(_):
    return Path(NAME).read_text()

def in_processes(function, arguments):
    with ProcessPoolExecutor(1, mp_context=FORK) as pool:
        return list(pool.map(function, arguments))

def in_a_pool(function, arguments):
    with FORK.Pool(1) as pool:
        return pool.map(function, arguments)

def in_a_process(name):
    queue = FORK.SimpleQueue()
    process = FORK.Process(target=read_into, args=(name, queue))
    process.start()
    found = queue.get()
    process.join()
    return found

@stage
def work(x):
    return {call}
"""
_HANDED = {
    "to an executor": "in_processes(read, map(str, Path().glob('*.txt')))",
    "to a pool": "in_a_pool(read, list(Path().glob('*.txt')))",
    "to a process": "in_a_process('data.txt')",
    "by what is called there": "in_processes(read_it, [1])",
}
for _name, _call in _HANDED.items():
    rerun(
        f"file that is named {_name}",
        "1",
        "2",
        _PROCESSES.replace("{call}", _call),
        files={"data.txt": "$edit"},
    )
_FORKED = """
import os

def worked_out(x):
    return "data" + os.sep.join([".txt"])

def read_worked_out(x):
    return Path(worked_out(x)).read_text()

@stage
def given(x):
    return Path(worked_out(x)).read_text()

@stage
def inner(x):
    return in_processes(read_worked_out, [x])

def all_there(x):
    return [path.read_text() for path in sorted(Path().iterdir()) if path.suffix == ".txt"]

def variable(x):
    return os.environ["SITE_" + chr(90)]

def written_there(x):
    Path("scratch.txt").write_text("$own")
    text = Path("scratch.txt").read_text()
    os.unlink("scratch.txt")
    return text

def in_a_fork(function):
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, function(1).encode())
        os._exit(0)
    os.wait()
    return os.read(reader, 100)
"""
_SEEN = {
    "by a process of an executor": "in_processes(read_worked_out, [x])",
    "by a process of a pool": "in_a_pool(read_worked_out, [x])",
    "by a process": "in_a_fork(read_worked_out)",
    "by a stage in a process": "in_processes(given, [x])",
    "by a process that a stage forks": "inner(x)",
    "by a process that lists its folder": "in_processes(all_there, [x])",
}
for _name, _call in _SEEN.items():
    rerun(
        f"file that is read {_name}",
        "1",
        "2",
        _PROCESSES.replace("@stage", _FORKED + "\n@stage", 1).replace("{call}", _call),
        files={"data.txt": "$edit"},
        reruns=("inner", "work") if "inner" in _call else ("work",),
    )
rerun(
    "variable that a process reads",
    "'a'",
    "'b'",
    _PROCESSES.replace("@stage", _FORKED + "\n@stage", 1).replace(
        "{call}", "in_processes(variable, [x])"
    )
    + "\nimport os\nos.environ['SITE_Z'] = $edit\n",
)
keep(
    "file of its own that a process reads",
    "x",
    "x  # edited",
    _PROCESSES.replace("@stage", _FORKED + "\n@stage", 1).replace(
        "{call}", "in_processes(written_there, [$edit\n])"
    ),
)
