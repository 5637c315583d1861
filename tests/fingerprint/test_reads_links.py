"""A link that is asked for from the working directory counts by what it points to, both ways."""

from __future__ import annotations

import os

from stagecache.fingerprint.reads import Recorder, digest_now, recording


def test_a_link_in_the_working_directory_is_the_same_by_either_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "target").write_text("text")
    os.symlink("target", "link")
    recorder = Recorder()
    with recording(recorder):
        os.readlink("link")
        os.readlink(os.path.join(os.getcwd(), "link"))
    assert recorder.changed() == ()
    assert all(read.digest == digest_now(read) for read in recorder.reads())
