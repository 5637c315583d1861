"""``stagecache doctor`` finds what is wrong with a machine or a directory, and changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time

import apsw
import pytest

from stagecache.cli.doctor.checks import CHECKS, ask
from stagecache.cli.doctor.words import Patient
from stagecache.clock import SystemClock
from stagecache.errors import StagecacheWarning
from stagecache.settings import origins, resolve
from stagecache.stores.disk import DiskStore, directory
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import make_entry, put


@pytest.fixture
def root(tmp_path):
    """A cache directory with something in it, closed."""
    store = DiskStore(tmp_path / "cache")
    for size in (50, 50_000):
        put(store, make_entry(), bytes(size))
    store.close()
    return tmp_path / "cache"


def found(name, clock=None):
    """Return level and detail of one check."""
    (check,) = [check for check in CHECKS if check.name == name]
    finding = ask(check, Patient(resolve(), origins(), clock or SystemClock()))
    assert (finding.level == "ok") == (not finding.advice)
    return finding.level, finding.detail


def examined(project, *prefix, **env):
    """Run the command in a process; return its exit code and level and detail of each check."""
    command = [*prefix, sys.executable, "-m", "stagecache", "doctor", "--json"]
    program = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
    done = project.python("-c", program, *command, check=False, **env)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    levels = [check["level"] for check in report["checks"]]
    assert report["problems"] == levels.count("problem")
    assert report["warnings"] == levels.count("warning")
    return done.returncode, {
        check["name"]: (check["level"], check["detail"]) for check in report["checks"]
    }


def tree(root):
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_sound_directory_has_no_problem_and_is_left_as_it_is(project, root):
    before = tree(root)
    code, checks = examined(project)
    assert code == 0
    assert list(checks) == [check.name for check in CHECKS]
    assert {level for level, _ in checks.values()} <= {"ok", "warning"}
    assert checks["index"][1].startswith("in order")
    assert checks["journal"][1].startswith("a write-ahead log")
    assert tree(root) == before


def test_people_get_a_line_for_each_check_and_a_sum(project, root):
    os.chmod(root, 0o777)
    done = project.python("-m", "stagecache", "doctor", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert f"-> Whoever writes there can make this program run anything: chmod 700 {root}" in (
        done.stdout
    )
    for check in CHECKS:
        assert any(line[9:].startswith(check.name) for line in lines), check.name
    assert lines[-1].startswith("2 problems, ")


def test_without_a_directory_there_is_no_problem_and_none_is_made(project, tmp_path):
    before = tree(tmp_path)
    code, checks = examined(project)
    assert code == 0
    assert "none yet" in checks["directory"][1]
    assert checks["index"] == ("ok", "does not apply: there is no directory yet")
    assert checks["locks"][0] == checks["maps"][0] == checks["writing"][0] == "ok"
    assert tree(tmp_path) == before
    assert not project.directory.exists()


def test_without_a_disk_nothing_of_it_is_asked(project):
    code, checks = examined(project, STAGECACHE_DIRECTORY=":memory:")
    assert code == 0
    assert checks["writing"] == ("ok", "does not apply: results are kept in memory only")


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="Linux has /sys")
def test_where_nothing_can_be_written_it_says_so_once(project):
    code, checks = examined(project, STAGECACHE_DIRECTORY="/sys/kernel/stagecache")
    assert code == 1
    assert checks["writing"][0] == "problem"
    assert checks["space"][0] == "problem"
    for name in ("clock", "locks", "maps"):
        assert checks[name] == ("ok", "does not apply: no file can be written there")


MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@pytest.mark.parametrize("in_use", [False, True])
def test_a_directory_mounted_read_only_is_examined_all_the_same(project, root, in_use):
    prefix = ("unshare", "-m", "sh", "-c", MOUNTED, str(root))
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("this user may mount nothing")
    store = DiskStore(root)
    if in_use:
        put(store, make_entry())
    code, checks = examined(project, *prefix)
    store.close()
    assert code == 1
    assert checks["writing"] == (
        "problem",
        f"Cannot write a file in {root} (Read-only file system)",
    )
    assert checks["index"][1].startswith("in order")
    assert [name for name, (level, _) in checks.items() if level == "problem"] == ["writing"]


def test_a_used_up_quota_is_found(project, root):
    ulimit = f"ulimit -f 1; exec {shlex.join([sys.executable, '-m', 'stagecache'])} doctor --json"
    code, checks = examined(project, "sh", "-c", ulimit)
    assert code == 1
    assert checks["writing"] == ("problem", f"Cannot write a file in {root} (File too large)")
    assert not list((root / "v1" / "tmp").iterdir())


def test_a_reader_alone_needs_nothing_written(root, monkeypatch):
    monkeypatch.setenv("STAGECACHE_READ_ONLY", "yes")
    assert found("writing") == ("ok", "does not apply: `read_only`: nothing is written")


def test_a_low_limit_of_open_files_is_found(project):
    ulimit = f"ulimit -n 200; exec {shlex.join([sys.executable, '-m', 'stagecache'])} doctor --json"
    code, checks = examined(project, "sh", "-c", ulimit)
    assert code == 0
    assert checks["open files"][0] == "warning"
    assert checks["open files"][1].startswith("200 at most")


def test_a_setting_that_cannot_be_used_is_a_problem(project):
    code, checks = examined(project, STAGECACHE_JOBS="many")
    assert (code, list(checks)) == (1, ["settings"])
    assert "environment variable STAGECACHE_JOBS" in checks["settings"][1]


def test_every_setting_is_told_with_where_it_came_from(project, root):
    project.write("pyproject.toml", '[tool.stagecache]\nmemory = "1 GiB"\n')
    _, checks = examined(project, STAGECACHE_DURABLE="yes")
    detail = checks["settings"][1]
    assert f"directory = '{root}' (environment variable STAGECACHE_DIRECTORY)" in detail
    assert f"memory = 1073741824 ([tool.stagecache] of {project.folder}/pyproject.toml)" in detail
    assert "durable = True (environment variable STAGECACHE_DURABLE)" in detail
    assert "jobs = None (default)" in detail


@pytest.mark.parametrize("name", ["STAGECACHE_EXECUTOR", "STAGECACHE_MEMORY"])
def test_no_password_is_shown(project, name):
    secret = {name: "dask://me:s3cr/et@host:1/?token=abc123"}
    for arguments in (["--json"], []):
        done = project.python("-m", "stagecache", "doctor", *arguments, check=False, **secret)
        assert "dask://***@host:1/?token=***" in done.stdout
        assert "s3cr" not in done.stdout + done.stderr
        assert "abc123" not in done.stdout + done.stderr


def test_a_package_that_is_missing_is_found(project, tmp_path):
    info = tmp_path / "first" / "stagecache-9.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stagecache\nVersion: 9.0\n"
        'Requires-Dist: click>=8\nRequires-Dist: nowhere>=1\nRequires-Dist: never; extra == "no"\n'
    )
    path = os.pathsep.join([str(info.parent), os.environ.get("PYTHONPATH", "")])
    code, checks = examined(project, PYTHONPATH=path)
    assert (code, checks["packages"]) == (1, ("problem", "nowhere not installed"))


def test_a_link_and_a_file_in_place_of_the_directory_are_found(root, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(root)
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(tmp_path / "link"))
    assert found("directory")[0] == "warning"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(tmp_path / "file"))
    assert found("directory")[0] == "problem"
    assert found("writing")[0] == "ok"  # beside it


@pytest.mark.parametrize(
    ("mode", "level"), [(0o700, "ok"), (0o755, "warning"), (0o770, "problem"), (0o777, "problem")]
)
def test_what_others_may_do_is_found(root, mode, level):
    root.chmod(mode)
    assert found("owner")[0] == level


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_foreign_owner_is_found(root):
    os.chown(root, 12345, 12345)
    assert found("owner") == ("problem", "it belongs to user 12345, not to 0")


def test_a_copy_is_not_private_and_stays_so(root, tmp_path, monkeypatch):
    assert found("trust") == ("ok", "private: pickled results are read")
    shutil.copytree(root, tmp_path / "copy")
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(tmp_path / "copy"))
    before = tree(tmp_path)
    level, detail = found("trust")
    assert (level, "lacks your token" in detail) == ("warning", True)
    assert tree(tmp_path) == before
    monkeypatch.setenv("STAGECACHE_SHARED", "yes")
    assert found("trust")[0] == found("owner")[0] == "ok"


def test_a_network_is_found_and_a_log_on_it_is_a_problem(root, monkeypatch):
    assert found("file system")[0] == "ok"
    monkeypatch.setattr(directory, "_NETWORK", {directory.file_system(str(root))})
    assert found("file system")[0] == "warning"
    assert found("journal")[0] == "problem"
    assert found("maps")[1].startswith("does not apply")
    connection = apsw.Connection(str(root / "v1" / "index.db"))
    connection.pragma("journal_mode", "DELETE")
    connection.close()
    assert found("journal") == ("ok", "a rollback journal")


def test_a_bound_larger_than_the_disk_is_found(root, monkeypatch):
    monkeypatch.setenv("STAGECACHE_MAX_SIZE", "5000 PB")
    assert found("space")[0] == "warning"
    monkeypatch.setenv("STAGECACHE_MAX_SIZE", "1 kB")
    assert "max_size" not in found("space")[1]


def test_a_bound_that_the_directory_keeps_counts_unless_it_is_overruled(root, monkeypatch):
    (root / "v1" / "settings.json").write_text('{"max_size": 5000000000000000000}')
    told = f"max_size = 5000000000000000000 ({root}/v1/settings.json)"
    assert told in found("settings")[1]
    assert found("space")[0] == "warning"
    monkeypatch.setenv("STAGECACHE_MAX_SIZE", "none")
    assert "max_size = None (environment variable STAGECACHE_MAX_SIZE)" in found("settings")[1]
    assert found("space")[0] == "ok"


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (60, "warning"), (-60, "warning"), (7200, "problem")]
)
def test_a_clock_that_is_wrong_is_found(root, seconds, level):
    assert found("clock", FakeClock(time.time() + seconds))[0] == level


def test_locks_that_keep_nobody_out_are_found(project, root, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(
        "import fcntl\nfcntl.fcntl = lambda *_: 0\n"
    )
    path = os.pathsep.join([str(tmp_path / "first"), os.environ.get("PYTHONPATH", "")])
    code, checks = examined(project, PYTHONPATH=path)
    assert code == 1
    assert checks["locks"] == ("problem", "OFD locks do not keep processes apart here")


def test_an_sqlite_with_the_fault_is_found(monkeypatch):
    for version, level in (("3.51.2", "problem"), ("3.40.1", "problem"), ("3.51.3", "ok")):
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda version=version: version)
        assert found("sqlite")[0] == level


def test_a_log_that_grows_is_found(root):
    log = root / "v1" / "index.db-wal"
    log.touch()
    os.truncate(log, 300 << 20)
    assert found("journal")[0] == "warning"


def trash(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def trash_middle(path):
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(size - 4096))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2 + 100)


@pytest.mark.parametrize("damage", [trash, trash_middle, truncate])
def test_a_broken_index_is_found_and_left_as_it_is(root, damage):
    damage(root / "v1" / "index.db")
    before = tree(root)
    assert found("index")[0] == "problem"
    assert tree(root) == before


def test_an_index_of_another_version_is_found(root):
    connection = apsw.Connection(str(root / "v1" / "index.db"))
    connection.pragma("user_version", 99)
    connection.close()
    assert found("index")[0] == "warning"


def test_an_index_that_others_write_is_in_order(root):
    store = DiskStore(root)
    put(store, make_entry())
    assert found("index")[0] == "ok"
    store.close()


def test_leftovers_of_killed_processes_are_found(root):
    left = root / "v1" / "tmp" / "812-abc"
    left.write_bytes(bytes(1000))
    assert found("leftovers") == ("ok", "none")
    os.utime(left, (1, 1))
    assert found("leftovers") == ("warning", "1 files, 1.0 kB")


def test_what_was_set_aside_is_told(root):
    (root / "v1" / "quarantine" / "0").write_bytes(b"damaged")
    assert found("quarantine") == ("warning", "1 damaged files were set aside")


def test_collections_are_in_order_or_not(root, monkeypatch):
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(root))
    assert found("collections") == ("ok", "does not apply: there are no collections yet")
    store = DiskStore(root)
    letters = store.items.open("letters", "index")
    with letters.transaction():
        for number in range(2_000):
            letters.set(b"%d" % number, "bytes", bytes(50))
    assert found("collections")[0] == "ok"
    store.close()
    path = root / "v1" / "collections" / "items.db"
    whole = path.read_bytes()
    assert found("collections")[1].startswith("in order")
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    assert found("collections")[0] == "problem"
    path.write_bytes(whole[:60_000] + b"noise" * 4_000 + whole[80_000:])
    before = tree(root)
    level, detail = found("collections")
    assert (level, detail[:22]) == ("problem", "their file is damaged:")
    assert tree(root) == before
    with pytest.warns(StagecacheWarning):
        store.verify(repair=True)
    store.close()
    assert found("collections")[0] == "ok"
    level, detail = found("quarantine")
    assert level == "warning"
    assert detail.endswith("1 of them damaged collections")
