from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from stagecache.codecs.files import Files
from stagecache.errors import DecodeError, EncodeError
from stagecache.file import File
from stagecache.model import memo
from stagecache.testing.codecs import CodecContract


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def kept(codec: Files, path: str | Path) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in codec.encode(File(path))]  # type: ignore[call-overload]


def everything_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


class TestFiles(CodecContract):
    @pytest.fixture(autouse=True)
    def _here(self, folder: Path, exactly: Callable[[Any], bytes]) -> None:
        self.codec = Files(str(folder))
        self.fingerprint = exactly  # type: ignore[method-assign]

    def fingerprint(self, value: Any) -> bytes:
        raise NotImplementedError

    def mutate(self, value: Any) -> None:
        Path(value).write_text("changed")

    def values(self) -> Iterable[object]:
        Path("out.csv").write_text("a,b")
        Path("year=2013").mkdir(exist_ok=True)
        Path("year=2013/x.csv").write_bytes(b"")
        yield File("out.csv")
        yield File(os.path.abspath("out.csv"), name=False)
        yield from File.glob("*/*.csv")

    # They would put files back under other names, beside the first.
    test_flipped_bits_raise_nothing_but_decode_errors = None


def test_a_file_in_place_is_left_alone() -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(), "out.txt")
    before = os.stat("out.txt")
    assert Files().decode(sections) == File("out.txt")
    assert os.stat("out.txt") == before


def test_a_file_in_place_that_could_be_run_can_be_run_again(tmp_path: Path, folder: Path) -> None:
    for path in (folder / "run.sh", tmp_path / "elsewhere.sh"):
        path.write_text("made")
        path.chmod(0o750)
        sections = kept(Files(str(folder)), path)
        path.chmod(0o640)
        Files(str(folder)).decode(sections)
        is_below = path.parent == folder
        assert path.stat().st_mode & 0o777 == (0o750 if is_below else 0o640)
        path.chmod(0o700)
        Files(str(folder)).decode(sections)
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_missing_file_is_put_back_with_its_folders_and_mode(folder: Path) -> None:
    path = folder / "a/b/run.sh"
    path.parent.mkdir(parents=True)
    path.write_text("made")
    path.chmod(0o750)
    sections = kept(Files(), "a/b/run.sh")
    path.unlink()
    path.parent.rmdir()
    Files().decode(sections)
    assert path.read_text() == "made"
    assert path.stat().st_mode & 0o777 == 0o750
    assert [*path.parent.iterdir()] == [path]


def test_bytes_that_no_stage_wrote_are_moved_aside(folder: Path) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(), "out.txt")
    for text in ("first", "second"):
        Path("out.txt").write_text(text)
        Files().decode(sections)
    assert everything_in(folder) == {
        "out.txt": "made",
        "out.txt.before-stagecache-1": "first",
        "out.txt.before-stagecache-2": "second",
    }


def test_bytes_that_a_stage_wrote_are_replaced(folder: Path) -> None:
    class Memory(dict[tuple[str, bytes], bytes]):
        def recall(self, kind: str, key: bytes) -> bytes | None:
            return self.get((kind, key))

        def remember(self, kind: str, key: bytes, value: bytes) -> None:
            self[kind, key] = value

    token = memo.set(Memory())
    try:
        Path("out.txt").write_text("old")
        kept(Files(), "out.txt")
        Path("out.txt").write_text("new")
        sections = kept(Files(), "out.txt")
        Path("out.txt").write_text("old")
        Files().decode(sections)
    finally:
        memo.reset(token)
    assert everything_in(folder) == {"out.txt": "new"}


def test_a_relative_path_is_where_the_body_would_write_now(folder: Path) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(str(folder)), "out.txt")
    (folder / "sub").mkdir()
    os.chdir(folder / "sub")
    Files(str(folder)).decode(sections)
    assert (folder / "sub/out.txt").read_text() == "made"


def test_an_absolute_path_moves_with_its_project(folder: Path, tmp_path: Path) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(str(folder)), folder / "out.txt")
    moved = tmp_path / "moved"
    folder.rename(moved)
    (moved / "out.txt").unlink()
    assert Files(str(moved)).decode(sections) == File(moved / "out.txt")
    assert (moved / "out.txt").read_text() == "made"


@pytest.mark.parametrize("way", ["plain", "dots", "link to folder", "absolute link"])
def test_nothing_is_written_outside_of_the_project(folder: Path, tmp_path: Path, way: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if "link" in way:
        Path("link").symlink_to(outside)
    path = {
        "plain": str(outside / "out.txt"),
        "dots": "sub/../../outside/out.txt",
        "link to folder": "link/out.txt",
        "absolute link": str(folder / "link/out.txt"),
    }[way]
    (folder / "sub").mkdir()
    Path(path).write_text("made")
    sections = kept(Files(str(folder)), path)
    assert Files(str(folder)).decode(sections) == File(path)
    for wrong in ("changed", None):
        if wrong is None:
            (outside / "out.txt").unlink()
        else:
            (outside / "out.txt").write_text(wrong)
        with pytest.raises(DecodeError):
            Files(str(folder)).decode(sections)
        assert everything_in(outside) == ({} if wrong is None else {"out.txt": wrong})


def test_a_header_cannot_lead_out_of_the_project(folder: Path, tmp_path: Path) -> None:
    from stagecache.codecs.plain import Plain

    for base in ("project", "working directory", "elsewhere", "?"):
        for place in (
            "../out.txt",
            "sub/../../out.txt",
            str(tmp_path / "out.txt"),
            "",
            ".",
            "..",
            "a\0",
        ):
            header = Plain().encode((base, place, "out.txt", 0o600, b"?" * 16))[0]
            with pytest.raises(DecodeError):
                Files(str(folder)).decode([memoryview(header), memoryview(b"forged")])
    assert everything_in(tmp_path) == {}
    assert everything_in(folder) == {}


def test_a_link_in_the_place_is_moved_aside_and_what_it_names_is_not_written(
    folder: Path, tmp_path: Path
) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(), "out.txt")
    (tmp_path / "precious").write_text("precious")
    Path("out.txt").unlink()
    Path("out.txt").symlink_to(tmp_path / "precious")
    Files().decode(sections)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not Path("out.txt").is_symlink()
    assert Path("out.txt").read_text() == "made"
    assert Path("out.txt.before-stagecache-1").is_symlink()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_never_replaced(make: Callable[[str], None]) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(), "out.txt")
    os.unlink("out.txt")
    make("out.txt")
    with pytest.raises(DecodeError):
        Files().decode(sections)
    assert os.listdir() == ["out.txt"]
    with pytest.raises(EncodeError):
        Files().encode(File("out.txt"))


def test_a_missing_file_cannot_be_kept() -> None:
    with pytest.raises(EncodeError, match="gone"):
        Files().encode(File("gone.txt"))


def test_kept_bytes_that_are_not_those_of_the_file_are_not_put_back(folder: Path) -> None:
    Path("out.txt").write_text("made")
    header, _ = kept(Files(), "out.txt")
    os.unlink("out.txt")
    with pytest.raises(DecodeError):
        Files().decode([header, memoryview(b"mode")])
    assert everything_in(folder) == {}


def test_finding_a_file_writes_nothing(folder: Path) -> None:
    Path("out.txt").write_text("made")
    sections = kept(Files(), "out.txt")
    assert Files().find(sections) == File("out.txt")
    os.unlink("out.txt")
    with pytest.raises(DecodeError):
        Files().find(sections)
    assert everything_in(folder) == {}


def test_a_large_file_is_mapped(folder: Path) -> None:
    with open("large", "wb") as stream:
        stream.truncate(16 << 20)
    _, contents = Files().encode(File("large"))
    assert isinstance(contents, memoryview)
    assert contents.nbytes == 16 << 20
