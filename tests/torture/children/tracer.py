"""Runs a function in a forked child and meddles at its n-th system call, through Linux's ptrace.

At a call the child can be killed, or the call made to fail without being done. Needs no compiler
and no library but C's own. What the functions do is not known here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
import traceback

TRACEME, POKEUSER, KILL_WITH_PARENT, GOOD_STOPS = 0, 6, 0x100000, 1
SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 24, 0x4200, 0x420E
ENTRY = 1
STOPPED_AT_CALL = signal.SIGTRAP | 0x80
RAX, ORIG_RAX = 80, 120

# Which argument of a call, on x86-64, is a descriptor or a path of the file that it is about. Not
# here are calls that no disk refuses: locks, seeks, close.
DESCRIPTORS = {
    0: 0, 1: 0, 5: 0, 9: 4, 17: 0, 18: 0, 19: 0, 20: 0, 74: 0, 75: 0, 77: 0, 78: 0,
    217: 0, 285: 0, 326: 0,
}  # fmt: skip
PATHS = {
    2: 0, 4: 0, 6: 0, 21: 0, 76: 0, 80: 0, 82: 0, 83: 0, 84: 0, 85: 0, 86: 0, 87: 0, 90: 0, 257: 1,
    258: 1, 262: 1, 263: 1, 264: 1, 269: 1, 280: 1, 316: 1, 332: 1, 437: 1, 439: 1,
}  # fmt: skip
TAKING_SPACE = frozenset({1, 18, 20, 74, 75, 77, 82, 83, 86, 258, 264, 285, 316})
"""Calls that a full disk refuses, and besides the opens that make a file."""
OPENS = {2: 1, 257: 2}
"""Which argument of an open holds the flags."""

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long


class Refused(Exception):
    """This machine lets nobody trace."""


def ptrace(request, pid=0, where=0, data=0):
    """Make the call, or say why it was refused."""
    if _ptrace(request, pid, where, data) < 0:
        code = ctypes.get_errno()
        raise Refused(f"ptrace is refused ({os.strerror(code)})")


def can_fail_calls():
    """Tell whether calls can be made to fail here: registers are those of x86-64."""
    return platform.machine() == "x86_64"


def forked(work):
    """Run `work` in a forked child and return its pid; its exit status tells how it went."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except Refused:
        code = 77
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def status_of(work, seconds=60):
    """Run `work` in a forked child that is killed after `seconds`; return its exit code."""

    def within():
        signal.alarm(seconds)
        work()

    return os.waitstatus_to_exitcode(os.waitpid(forked(within), 0)[1])


class Traced:
    """A child that runs `work` and stops at every system call."""

    def __init__(self, work):
        def stopped():
            ptrace(TRACEME)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()

        self.pid = forked(stopped)
        self.code = None
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            raise Refused("ptrace is refused in a child")
        ptrace(SETOPTIONS, self.pid, 0, KILL_WITH_PARENT | GOOD_STOPS)

    def next_call(self):
        """Run to the entry of the next call; return its number and arguments, None at the end."""
        while self._run():
            info = (ctypes.c_char * 88)()
            _ptrace(GET_SYSCALL_INFO, self.pid, 88, ctypes.addressof(info))
            kind = info.raw[0]
            if kind == ENTRY:
                number, *arguments = struct.unpack_from("=7Q", info.raw, 24)
                return number, arguments
        return None

    def touches(self, call, root):
        """Tell whether a call is about a file below `root`, an absolute path."""
        number, arguments = call
        try:
            if number in DESCRIPTORS:
                descriptor = arguments[DESCRIPTORS[number]]
                path = os.readlink(f"/proc/{self.pid}/fd/{descriptor & 0xFFFFFFFF}")
            elif number in PATHS:
                with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
                    memory.seek(arguments[PATHS[number]])
                    path = os.fsdecode(memory.read(4096).partition(b"\0")[0])
            else:
                return False
        except (OSError, OverflowError, ValueError):
            return False
        return path.startswith(root)

    def fail(self, code):
        """Let the call that is about to begin not happen, and return -`code`."""
        ptrace(POKEUSER, self.pid, ORIG_RAX, ctypes.c_ulong(-1 & (1 << 64) - 1).value)
        if self._run():
            ptrace(POKEUSER, self.pid, RAX, -code & (1 << 64) - 1)

    def kill(self):
        """Kill the child where it stands."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def finish(self):
        """Let the child run to its end; return its exit code."""
        while self._run():
            pass
        return self.code

    def _run(self):
        """Run to the next stop at a call; False when the child has ended."""
        passed_on = 0
        while self.code is None:
            ptrace(SYSCALL, self.pid, 0, passed_on)
            stop = self._wait()
            if stop == STOPPED_AT_CALL:
                return True
            passed_on = stop if stop not in (None, signal.SIGTRAP) else 0
        return False

    def _wait(self):
        while True:
            _, status = os.waitpid(self.pid, 0)
            if os.WIFSTOPPED(status):
                return os.WSTOPSIG(status)
            self.code = os.waitstatus_to_exitcode(status)
            return None


def takes_space(call):
    """Tell whether a full disk refuses a call."""
    number, arguments = call
    flags = arguments[OPENS[number]] if number in OPENS else 0
    return number in TAKING_SPACE or bool(flags & os.O_CREAT)


def calls_of(work, is_meant=None):
    """Return how many system calls `work` makes, or of how many `is_meant(child, call)` is true."""
    child = Traced(work)
    count = 0
    while (call := child.next_call()) is not None:
        count += is_meant is None or is_meant(child, call)
    assert child.code == 0, f"undisturbed it ended with {child.code}"
    return count


def killed_at(work, count):
    """Kill a child that runs `work` at its call `count`, from 0, unless it makes fewer."""
    child = Traced(work)
    for _ in range(count + 1):
        if child.next_call() is None:
            assert child.code == 0, f"undisturbed it ended with {child.code}"
            return
    child.kill()


def failing_at(work, count, is_meant, code, *, for_good):
    """Fail the call `count` of those that are meant, from 0, and if `for_good` all after it.

    Return the number of the first one, None if there were fewer, and the child's exit code.
    """
    child = Traced(work)
    seen, first = 0, None
    while (call := child.next_call()) is not None:
        if is_meant(child, call):
            if seen == count or (seen > count and for_good):
                first = call[0] if first is None else first
                child.fail(code)
            seen += 1
    return first, child.code
