"""A team is set up by settings alone; what is wrong with them is said at once, and no secret is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from servers.process import free_port
from servers.trouble import everything_said

import stagecache
from stagecache import Cache, stage
from stagecache.errors import SettingsError

SECRET = "s3cr3t"


def refused(host, **settings):
    with pytest.raises(SettingsError) as caught:
        host("one", **settings)
    assert SECRET not in everything_said(caught.value)
    return str(caught.value)


def test_a_password_that_the_server_refuses_is_an_error_at_once(host, own_redis_server):
    server = own_redis_server("--requirepass", "another")
    said = refused(host, redis=f"redis://:{SECRET}@127.0.0.1:{server.port}/0")
    assert said.startswith(f"redis://127.0.0.1:{server.port}/0 cannot be used")
    assert "refuses the user or the password" in said
    host("one", redis=f"redis://:another@127.0.0.1:{server.port}/0").close()


def test_a_url_that_cannot_be_used_is_an_error_at_once(host, s3_server):
    assert "a database is a number" in refused(host, redis=f"redis://:{SECRET}@cache/first")
    assert "begins with none of" in refused(host, redis=f"http://:{SECRET}@cache")
    assert "bucket" in refused(host, store="s3://there-is-no-such-bucket/team")


def test_a_key_that_is_no_key_is_an_error_at_once(host, redis_server, tmp_path):
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(0o600)
    assert "32 bytes" in refused(host, redis=redis_server.url, signing_key=str(path))
    assert "No such file" in refused(host, redis=redis_server.url, signing_key=str(path) + "s")


def test_configure_says_so_before_the_first_stage_is_called(own_redis_server):
    server = own_redis_server("--requirepass", "another")
    with pytest.raises(SettingsError, match="refuses the user or the password"):
        stagecache.configure(redis=f"redis://:{SECRET}@127.0.0.1:{server.port}/0")


def test_a_server_that_is_down_is_no_error(host):
    @stage
    def double(n: int) -> int:
        return 2 * n

    with (
        host("one", redis=f"redis://127.0.0.1:{free_port()}/0"),
        pytest.warns(match="out of reach"),
    ):
        assert double(2) == 4


def test_nothing_of_servers_is_imported_where_no_team_is_set_up(tmp_path):
    code = """
import sys
from stagecache import Cache, stage
@stage
def double(n):
    return 2 * n
with Cache(sys.argv[1]):
    double(2)
print(*(sys.modules.keys() & {"redis", "obstore", "pymemcache"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "\n"


def test_what_a_team_shares_is_read_from_settings(host, redis_server, monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.stagecache]\nnamespace = 'alone'\n"
        "[tool.stagecache.profiles.base]\nnamespace = 'blue'\n"
        f"[tool.stagecache.profiles.team]\ninherits = 'base'\nredis = '{redis_server.url}'\n"
    )
    monkeypatch.chdir(tmp_path)
    with Cache() as cache:
        assert cache.settings.redis is None
    monkeypatch.setenv("STAGECACHE_PROFILE", "team")
    with Cache() as cache:
        assert (cache.settings.redis, cache.settings.namespace) == (redis_server.url, "blue")
