"""Keys of a team: made for one user, refused if anybody else could have seen them."""

from __future__ import annotations

import os
import stat

import pytest

from stagecache.errors import SettingsError
from stagecache.stores.shared.keyring import Keyring, default_path, make


def test_a_new_key_is_for_its_user_alone_whatever_the_umask_says(tmp_path):
    path = tmp_path / "folder" / "team.key"
    before = os.umask(0)
    try:
        made = make(str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes() == made.signing.secret
    assert len(made.signing.secret) == 32


def test_a_key_that_is_there_is_never_written_over(tmp_path):
    path = tmp_path / "team.key"
    make(str(path))
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        make(str(path))
    assert path.read_bytes() == before


def test_no_key_is_made_at_the_end_of_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="exists"):
        make(str(tmp_path / "link"))
    assert not (tmp_path / "target").exists()


def test_the_first_of_several_keys_signs_and_all_are_known(tmp_path):
    paths = [str(tmp_path / name) for name in ("new", "old")]
    new, old = [make(path).signing.id for path in paths]
    ring = Keyring.read(paths)
    assert ring.signing.id == new
    assert ring.find(old).id == old
    assert ring.find(bytes(8)) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_others_can_read_or_write_is_refused_with_the_command_to_run(tmp_path, mode):
    path = tmp_path / "team.key"
    make(str(path))
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        Keyring.read([str(path)])


@pytest.mark.parametrize("size", [0, 31, 33, 100_000])
def test_a_file_of_another_length_is_no_key(tmp_path, size):
    path = tmp_path / "team.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="32 bytes"):
        Keyring.read([str(path)])


def test_a_link_to_a_key_is_refused(tmp_path):
    make(str(tmp_path / "team.key"))
    (tmp_path / "link").symlink_to(tmp_path / "team.key")
    with pytest.raises(SettingsError, match="it is a link"):
        Keyring.read([str(tmp_path / "link")])


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="no file"):
        Keyring.read([str(tmp_path / "pipe")])
    with pytest.raises(SettingsError, match="no file"):
        Keyring.read([str(tmp_path)])


def test_a_key_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SettingsError, match=r"No such file.*stagecache key new"):
        Keyring.read([str(tmp_path / "none")])
    with pytest.raises(SettingsError, match="No file"):
        Keyring.read([])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "team.key"
    make(str(path))
    os.chown(path, 12345, 12345)
    with pytest.raises(SettingsError, match="belongs to user 12345"):
        Keyring.read([str(path)])


def test_a_key_is_not_shown(tmp_path):
    ring = make(str(tmp_path / "team.key"))
    shown = f"{ring!r} {ring.signing!r} {ring.signing} {[ring.signing]}"
    secret = ring.signing.secret
    assert secret.hex() not in shown
    assert repr(secret) not in shown
    assert ring.signing.id.hex() in shown


def test_a_key_lies_beside_the_settings_of_its_user(tmp_path):
    assert default_path() == str(tmp_path / "config" / "stagecache" / "team.key")
