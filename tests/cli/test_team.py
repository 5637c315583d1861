"""``doctor`` and ``status`` tell how it stands with what a team shares."""

from __future__ import annotations

import json

from servers.process import free_port

SECRET = "s3cr3t"
JOB = """
from stagecache import stage

@stage
def double(n: int) -> int:
    return 2 * n
"""


def checks(project, **env):
    done = project.python("-m", "stagecache", "doctor", "--json", check=False, **env)
    assert SECRET not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    return {each["name"]: (each["level"], each["detail"]) for each in report["checks"]}


def test_doctor_asks_the_servers_and_leaves_nothing_there(project, redis_server, tmp_path):
    found = checks(
        project, STAGECACHE_REDIS=redis_server.url, STAGECACHE_STORE=f"file://{tmp_path}/share"
    )
    assert found["redis"][0] == found["store"][0] == found["signing"][0] == "ok"
    assert found["redis"][1].startswith(f"{redis_server.url} answers in")
    assert "nobody signs" in found["signing"][1]
    assert redis_server.ask("DBSIZE") == b":0\r\n"
    assert [path for path in (tmp_path / "share").rglob("*") if path.is_file()] == []


def test_doctor_says_that_a_server_is_gone_full_or_refuses_the_password(project, own_redis_server):
    gone = f"redis://:{SECRET}@127.0.0.1:{free_port()}/0"
    assert checks(project, STAGECACHE_REDIS=gone)["redis"][0] == "problem"
    server = own_redis_server("--requirepass", "another")
    url = f"redis://:{SECRET}@127.0.0.1:{server.port}/0"
    level, detail = checks(project, STAGECACHE_REDIS=url)["redis"]
    assert level == "problem"
    assert "refuses the user or the password" in detail
    full = own_redis_server("--maxmemory", "1")
    level, detail = checks(project, STAGECACHE_REDIS=full.url)["redis"]
    assert level == "problem"
    assert "maxmemory" in detail


def test_without_a_team_nothing_is_asked(project):
    found = checks(project)
    assert [found[name][0] for name in ("redis", "store", "signing")] == ["ok"] * 3


def test_status_tells_of_the_tier_that_a_team_shares(project, redis_server):
    project.write("etl.py", JOB)
    env = {"STAGECACHE_REDIS": redis_server.url, "STAGECACHE_ROLE": "reader"}
    project.run("etl.py:double", "n=2", **env)
    said = project.python("-m", "stagecache", "status", **env).stdout
    assert f"shared: {redis_server.url}, namespace stagecache, reader, not signed\n" in said
    shared = json.loads(project.python("-m", "stagecache", "status", "--json", **env).stdout)
    assert shared["shared"]["role"] == "reader"
    env["STAGECACHE_REDIS"] = f"redis://127.0.0.1:{free_port()}/0"
    assert "out of reach" in project.python("-m", "stagecache", "status", **env).stdout
