"""What the page for teams says holds: its settings are accepted, and no setting is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from stagecache.settings import resolve
from stagecache.settings.values import READERS
from stagecache.stores.shared.opening import _KINDS

PAGE = (Path(__file__).parents[1] / "docs" / "teams.md").read_text()


def test_the_settings_of_the_page_make_a_team(tmp_path, monkeypatch):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert resolve().redis is None
    found = resolve(profile="team")
    assert list(tomllib.loads(text)["tool"]["stagecache"]["profiles"]) == ["team"]
    assert (found.redis, found.store) == ("redis://cache:6379/0", "s3://team/stagecache")


def test_every_setting_of_the_page_is_one():
    named = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(named) == 8
    assert set(named) <= set(READERS)


def test_every_kind_of_place_is_on_the_page():
    assert [
        scheme for scheme in _KINDS if f"{scheme}:" not in PAGE and f"`{scheme}`" not in PAGE
    ] == []


def test_links_of_the_page_lead_somewhere():
    for link in re.findall(r"\]\((?!https)([^)#]+)", PAGE):
        assert (Path(__file__).parents[1] / "docs" / link).exists(), link
