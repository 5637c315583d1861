"""Leases among threads and processes of one machine."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecache.leases import slots
from stagecache.leases.computing import computing
from stagecache.leases.flight import Flight
from stagecache.leases.idle import is_idle
from stagecache.leases.local import LocalLeases
from stagecache.leases.lockfile import LockFile, byte_of
from stagecache.testing.clock import FakeClock
from stagecache.testing.leases import KEY, OTHER, PATIENCE, LeaseContract

needs_lock_file = pytest.mark.skipif(not slots.IS_SUPPORTED, reason="no OFD locks here")


class TestLocalLeases(LeaseContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.path = tmp_path / "locks"

    def open(self):
        return LocalLeases(self.path)


class TestLocalLeasesWithoutByteLocks(TestLocalLeases):
    @pytest.fixture(autouse=True)
    def _other_system(self, monkeypatch):
        monkeypatch.setattr(slots, "IS_SUPPORTED", False)


def script(text, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_sixteen_processes_with_four_threads_each_compute_every_key_once(tmp_path):
    stampede = """
        import os, sys, threading
        from stagecache.leases.flight import Flight
        from stagecache.leases.local import LocalLeases

        folder = sys.argv[1]
        keys = [bytes([n]) * 16 for n in range(12)]
        start_read, start_write = os.pipe()

        def compute(leases, key):
            with leases.acquire(key) as lease:
                assert not lease.is_lost()
                result = f"{folder}/{key.hex()}"
                if not os.path.exists(result):
                    with open(f"{folder}/log", "ab", buffering=0) as log:
                        log.write(key.hex().encode() + b"\\n")
                    open(result, "x").close()
            return key

        def child():
            os.close(start_write)
            leases, flight, wrong = LocalLeases(f"{folder}/locks"), Flight(), []
            os.read(start_read, 1)
            def work(shift):
                for key in keys[shift:] + keys[:shift]:
                    if flight.run(key, lambda: compute(leases, key)) != key:
                        wrong.append(key)
            threads = [threading.Thread(target=work, args=(3 * n,)) for n in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            os._exit(len(wrong))

        pids = []
        for _ in range(16):
            pid = os.fork()
            if pid == 0:
                try:
                    child()
                finally:
                    os._exit(1)
            pids.append(pid)
        os.close(start_write)
        sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in pids))
        """
    process = script(stampede, tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    computed = (tmp_path / "log").read_text().split()
    assert sorted(computed) == sorted({bytes([n]).hex() * 16 for n in range(12)})


@needs_lock_file
def test_all_processes_that_wait_hear_at_once_that_the_result_is_there(tmp_path):
    """None of them has the key: they would wait for each other's looking otherwise."""
    holder, *others = [LocalLeases(tmp_path / "locks") for _ in range(4)]

    def wait(leases):
        is_waiting = threading.Event()
        work = pool.submit(leases.acquire_or_hear, KEY, lambda *_: is_waiting.set())
        assert is_waiting.wait(PATIENCE)
        return work

    with ThreadPoolExecutor(3) as pool, holder.acquire(KEY) as lease:
        works = [wait(leases) for leases in others]
        lease.say_published()
        lease.release()
        assert [work.result(PATIENCE) for work in works] == [None] * 3
    for leases in (holder, *others):
        assert not leases._slots._slots
        leases.close()


@needs_lock_file
def test_who_only_hears_does_not_keep_the_key_from_who_wants_it(tmp_path):
    holder, other = [LocalLeases(tmp_path / "locks") for _ in range(2)]

    def wait(acquire):
        is_waiting = threading.Event()
        work = pool.submit(acquire, KEY, lambda *_: is_waiting.set())
        assert is_waiting.wait(PATIENCE)
        return work

    with ThreadPoolExecutor(3) as pool, holder.acquire(KEY) as lease:
        hears, wants, hears_too = [
            wait(acquire)
            for acquire in (other.acquire_or_hear, other.acquire, other.acquire_or_hear)
        ]
        lease.say_published()
        lease.release()
        assert [work.result(PATIENCE) for work in (hears, hears_too)] == [None] * 2
        with wants.result(PATIENCE) as theirs:
            assert not theirs.is_lost()
            assert holder.acquire_nowait(KEY) is None
    holder.close()
    other.close()


def ask_and_wait(leases, pool):
    """Return what gives what a caller gets who waits for KEY, which somebody has."""
    is_waiting = threading.Event()
    work = pool.submit(leases.acquire_or_hear, KEY, lambda *_: is_waiting.set())
    assert is_waiting.wait(PATIENCE)
    return work


@needs_lock_file
@pytest.mark.parametrize("idle", [True, False])
def test_where_nobody_else_works_one_process_after_the_other_goes_on(tmp_path, monkeypatch, idle):
    """Elsewhere all at once: whoever gives way there would wait for long."""
    monkeypatch.setattr(slots, "is_idle", lambda: idle)
    holder, other, third = [LocalLeases(tmp_path / "locks") for _ in range(3)]
    is_awake, gave_way = threading.Event(), []

    def give_way():
        assert is_awake.wait(PATIENCE)  # the others go first
        gave_way.append(third.acquire_nowait(KEY))

    monkeypatch.setattr(os, "sched_yield", give_way)
    with ThreadPoolExecutor(1) as pool, holder.acquire(KEY) as lease:
        work = ask_and_wait(other, pool)
        lease.say_published()
        lease.release()
        assert work.result(PATIENCE) is None
        is_awake.set()
        third.acquire(KEY).release()
    assert gave_way == [None] * idle
    for leases in (holder, other, third):
        assert not leases._slots._slots
        leases.close()


@needs_lock_file
def test_a_process_that_closes_while_it_gives_way_leaves_nothing_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "is_idle", lambda: True)
    holder, other, third = [LocalLeases(tmp_path / "locks") for _ in range(3)]
    is_closed = threading.Event()
    monkeypatch.setattr(os, "sched_yield", lambda: is_closed.wait(PATIENCE))
    with ThreadPoolExecutor(1) as pool, holder.acquire(KEY) as lease:
        work = ask_and_wait(other, pool)
        lease.say_published()
        lease.release()
        assert work.result(PATIENCE) is None
        other.close()
        is_closed.set()
        third.acquire(KEY).release()
    holder.close()
    third.close()


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("0.20 0.18 0.12 1/80 11206\n", True),
        ("0.20 0.18 0.12 2/80 11206\n", False),
        ("0.20 0.18 0.12 11/80 11206\n", False),
        ("0.20 0.18", False),
        ("what is this, a load average", False),
    ],
)
def test_whether_the_machine_is_idle_is_asked_of_the_system(tmp_path, text, idle):
    (tmp_path / "loadavg").write_text(text)
    assert is_idle(str(tmp_path / "loadavg")) is idle


# As they lie in lock files since there are any: key, key waited for, pid, since, host.
NOTE = struct.Struct("=16s16sqd80s")
PLACE = 0x08090A0B % 4096 * 128
"""Of the note for KEY, by its bytes 8 to 11."""


def write_by_hand(path, note):
    """Be a holder of another version: have the byte, and write what that one says of itself."""
    file = LockFile(str(path))
    assert file.try_lock(byte_of(KEY))
    with open(path, "r+b") as stream:
        stream.seek(PLACE)
        stream.write(note)
    return file


@needs_lock_file
def test_a_holder_of_a_version_that_says_nothing_of_results_lets_nobody_hear(tmp_path):
    leases = LocalLeases(tmp_path / "locks")
    earlier = write_by_hand(tmp_path / "locks", NOTE.pack(KEY, bytes(16), 4321, 5.0, b"there"))
    with ThreadPoolExecutor(1) as pool:
        work = ask_and_wait(leases, pool)
        assert leases.holder(KEY) == (4321, "there", 5.0)
        earlier.close()
        with work.result(PATIENCE) as lease:
            assert not lease.is_lost()
    leases.close()


@needs_lock_file
def test_a_version_that_knows_nothing_of_published_results_waits_and_gets_the_key(tmp_path):
    """It looks at notes to name the holder, and to find out whether that one waits for itself."""

    def read():
        with open(tmp_path / "locks", "rb") as stream:
            stream.seek(PLACE)
            return NOTE.unpack(stream.read(NOTE.size))

    def is_deadlocked(outer):
        key, seen = KEY, set()
        while key not in seen:
            seen.add(key)
            found, waits_for, *_ = read()
            if found != key or waits_for == bytes(16):
                return False
            key = waits_for
            if key in outer:
                return True
        return False

    leases, earlier = LocalLeases(tmp_path / "locks"), LockFile(str(tmp_path / "locks"))
    with leases.acquire(KEY) as lease:
        lease.say_published()
        found, _, pid, since, host = read()
        assert (found, pid, host.rstrip(b"\0").decode()) == (KEY, os.getpid(), os.uname().nodename)
        assert 0 < since <= time.time()
        assert not is_deadlocked({OTHER})
        assert not earlier.try_lock(byte_of(KEY))
    assert earlier.try_lock(byte_of(KEY))
    earlier.close()
    leases.close()


@needs_lock_file
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([b"", KEY, KEY + KEY, KEY + OTHER, OTHER + KEY]), st.binary(max_size=2 * 128)
)
def test_whatever_a_note_says_who_waits_goes_on_and_can_have_the_key(start, rest):
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        leases = LocalLeases(f"{folder}/locks")
        holder = write_by_hand(f"{folder}/locks", start + rest)
        work = ask_and_wait(leases, pool)
        holder.close()
        lease = work.result(PATIENCE)
        if lease is None:  # he heard, and looks in vain
            lease = leases.acquire(KEY)
        assert not lease.is_lost()
        lease.release()
        leases.close()


HOLDER = """
    import os, subprocess, sys, threading
    from stagecache.leases.local import LocalLeases

    leases = LocalLeases(sys.argv[1])
    lease = leases.acquire(bytes(range(16)))
    orphan = sys.argv[2]
    if orphan == "forked while waiting":
        waits = threading.Event()
        work = lambda: leases.acquire(bytes(range(16, 32)), lambda *_: waits.set())
        threading.Thread(target=work, daemon=True).start()
        waits.wait()
    if orphan.startswith("forked"):
        if os.fork() == 0:
            os.read(0, 1)
            os._exit(0)
    elif orphan == "started":
        subprocess.Popen([sys.executable, "-c", "import os; os.read(0, 1)"], close_fds=False)
    print("held", flush=True)
    threading.Event().wait()
    """


@needs_lock_file
@pytest.mark.parametrize("orphan", ["none", "forked", "forked while waiting", "started"])
def test_the_lease_of_a_killed_holder_is_free_even_if_it_left_a_child(tmp_path, orphan):
    leases, told = LocalLeases(tmp_path / "locks", tick=0.05), []
    other = leases.acquire(OTHER)
    holder = script(HOLDER, tmp_path / "locks", orphan)
    assert holder.stdout.readline() == "held\n"

    def on_wait(who, seconds):
        told.append(who)
        if len(told) == 3:
            holder.kill()

    with leases.acquire(KEY, on_wait) as lease:
        assert not lease.is_lost()
    other.release()
    leases.close()
    assert told[0].pid == holder.pid
    assert told[0].host == os.uname().nodename
    holder.stdin.close()  # lets the orphan end
    holder.stdout.close()
    assert holder.wait() == -signal.SIGKILL


@needs_lock_file
def test_ctrl_c_ends_waiting_for_another_process_and_for_another_thread(tmp_path):
    waiter = script(
        """
        import sys, threading
        from stagecache.leases.flight import Flight
        from stagecache.leases.local import LocalLeases

        key, say = bytes(range(16)), lambda text: print(text, flush=True)
        leases = LocalLeases(sys.argv[1], tick=1000)
        try:
            leases.acquire(key, lambda *_: say("waiting"))
        except KeyboardInterrupt:
            say("interrupted")

        flight, begun = Flight(), threading.Event()
        forever = lambda: (begun.set(), threading.Event().wait())
        threading.Thread(target=lambda: flight.run(key, forever), daemon=True).start()
        begun.wait()
        try:
            flight.run(key, forever, on_wait=lambda _, seconds: seconds > 0.5 or say("waiting"))
        except KeyboardInterrupt:
            say("interrupted")
        """,
        tmp_path / "locks",
    )
    leases = LocalLeases(tmp_path / "locks")
    with leases.acquire(KEY):
        # Ctrl-C may come at any time, but what is tested is a waiter that waits.
        for _ in range(2):
            assert waiter.stdout.readline() == "waiting\n"
            waiter.send_signal(signal.SIGINT)
            assert waiter.stdout.readline() == "interrupted\n"
        waiter.communicate(timeout=PATIENCE)
    assert waiter.returncode == 0
    leases.close()


def test_a_forked_child_holds_nothing_and_frees_nothing(tmp_path):
    process = script(
        """
        import os, sys
        from stagecache.leases.local import LocalLeases

        key = bytes(range(16))
        leases = LocalLeases(sys.argv[1], tick=0.05)
        lease = leases.acquire(key)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            assert lease.is_lost()
            lease.release()
            told = []
            def on_wait(holder, seconds):
                assert holder is None or holder.pid == os.getppid()
                if not told:
                    os.write(write, b"w")
                told.append(holder)
            with leases.acquire(key, on_wait) as mine:
                assert told and not mine.is_lost()
            os._exit(0)
        assert os.read(read, 1) == b"w"
        assert not lease.is_lost()
        lease.release()
        sys.exit(os.waitpid(child, 0)[1] != 0)
        """,
        tmp_path / "locks",
    )
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_processes_that_wait_for_each_other_compute_twice_rather_than_hang(tmp_path):
    both_hold, lost = threading.Barrier(2), []

    def work(first, second):
        flight, leases = Flight(), LocalLeases(tmp_path / "locks", tick=0.05)

        def inner():
            with leases.acquire(second) as lease:
                lost.append(lease.is_lost())

        def outer():
            with leases.acquire(first):
                both_hold.wait(PATIENCE)
                flight.run(second, inner)

        flight.run(first, outer)
        leases.close()

    threads = [threading.Thread(target=work, args=keys) for keys in ((KEY, OTHER), (OTHER, KEY))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(lost) == 2
    assert True in lost


def test_a_child_of_the_computing_process_does_not_wait_for_its_parent(tmp_path):
    process = script(
        """
        import os, sys
        from stagecache.leases.flight import Flight
        from stagecache.leases.local import LocalLeases

        key, leases, flight = bytes(range(16)), LocalLeases(sys.argv[1]), Flight()

        def in_child():
            with leases.acquire(key) as lease:
                return lease.is_lost()

        def in_parent():
            with leases.acquire(key):
                child = os.fork()
                if child == 0:
                    os._exit(0 if flight.run(key, in_child) else 1)
                return os.waitpid(child, 0)[1]

        sys.exit(flight.run(key, in_parent) != 0)
        """,
        tmp_path / "locks",
    )
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_keys_on_the_same_byte_do_not_hang_the_thread_that_holds_one(tmp_path):
    twin = KEY[:8] + bytes(8)
    assert byte_of(twin) == byte_of(KEY)
    leases = LocalLeases(tmp_path / "locks")
    with leases.acquire(KEY) as lease, leases.acquire(twin) as other:
        assert (lease.is_lost(), other.is_lost()) == (False, True)
    leases.close()


@pytest.mark.parametrize("path", ["missing/locks", "file/locks", "folder", "link"])
def test_a_lock_file_that_cannot_be_had_costs_exclusion_only(tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    ours, theirs = LocalLeases(tmp_path / path), LocalLeases(tmp_path / path)
    with ours.acquire(KEY) as lease, theirs.acquire(KEY) as other:
        assert not lease.is_lost()
        assert not other.is_lost()
    assert not (tmp_path / "elsewhere").exists()


def test_leases_without_a_path_exclude_the_threads_of_this_process():
    leases = LocalLeases(None, clock=FakeClock(5.0))
    told = []

    def work():
        leases.acquire(KEY, lambda *what: (told.append(what), lease.release())).release()

    lease = leases.acquire(KEY)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert told == [((os.getpid(), os.uname().nodename, 5.0), 0.0)]


@needs_lock_file
def test_a_lock_file_that_somebody_deletes_is_made_anew(tmp_path):
    ours, theirs = LocalLeases(tmp_path / "locks"), LocalLeases(tmp_path / "locks", tick=0.05)
    held = ours.acquire(OTHER)
    (tmp_path / "locks").unlink()
    with ours.acquire(KEY) as lease:
        waits = threading.Event()
        thread = threading.Thread(
            target=lambda: theirs.acquire(KEY, lambda *_: waits.set()).release()
        )
        thread.start()
        assert waits.wait(PATIENCE)
        lease.release()
        thread.join(PATIENCE)
    held.release()
    ours.close()
    theirs.close()


def test_the_lock_file_stays_small_and_the_context_clean(tmp_path):
    leases = LocalLeases(tmp_path / "locks")
    for n in range(500):
        leases.acquire(n.to_bytes(16, "big")).release()
        leases.acquire(os.urandom(16)).release()
    leases.close()
    assert (tmp_path / "locks").stat().st_size <= 1 << 20
    assert computing.get() == ()
