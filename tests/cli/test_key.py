"""`stagecache key new`: a key for a team, and what to do with it."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

from stagecache.stores.shared.keyring import Keyring


def test_a_new_key_lies_beside_the_settings_and_can_be_used(project: Any, tmp_path: Path) -> None:
    done = project.python("-m", "stagecache", "key", "new", "--json")
    path = tmp_path / "config" / "stagecache" / "team.key"
    assert json.loads(done.stdout) == {
        "path": str(path),
        "id": Keyring.read([str(path)]).signing.id.hex(),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().hex() not in done.stdout


def test_what_is_printed_for_the_file_of_settings_is_what_it_takes(
    project: Any, tmp_path: Path
) -> None:
    path = tmp_path / 'a "key"'
    said = project.python("-m", "stagecache", "key", "new", str(path)).stdout
    lines = [line for line in said.splitlines() if line.startswith("    ")]
    assert tomllib.loads("\n".join(lines)) == {"signing_key": str(path), "allow_pickle": True}
    assert str(tmp_path / "config" / "stagecache" / "config.toml") in said


def test_a_key_that_is_there_is_left_as_it_is(project: Any, tmp_path: Path) -> None:
    path = tmp_path / "team.key"
    path.write_bytes(b"in use")
    done = project.python("-m", "stagecache", "key", "new", str(path), check=False)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert path.read_bytes() == b"in use"


def test_no_key_is_made_in_the_cache_directory(project: Any) -> None:
    path = project.directory / "team.key"
    done = project.python("-m", "stagecache", "key", "new", str(path), check=False)
    assert done.returncode == 2
    assert "lies in the cache directory" in done.stderr
    assert not path.exists()


def test_a_key_can_be_made_when_the_settings_lack_one(project: Any) -> None:
    done = project.python("-m", "stagecache", "key", "new", "--json", STAGECACHE_ALLOW_PICKLE="1")
    assert json.loads(done.stdout)["id"]


def test_where_no_key_can_be_made_is_said(project: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "team.key"
    done = project.python("-m", "stagecache", "key", "new", str(path), check=False)
    assert done.returncode == 1
    assert "No key can be made" in done.stderr
