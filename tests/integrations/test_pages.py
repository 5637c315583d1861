"""What the pages on Django and dogpile.cache show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


def run(code, folder):
    """Run a program in a process of its own, where a warning is an error."""
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, check=True)


def test_the_examples_of_the_page_on_dogpile_run(tmp_path):
    pytest.importorskip("dogpile.cache")
    found = blocks("from-dogpile.md")
    assert len(found) == 3
    asked = """
import asyncio

assert asyncio.run(rate("CHF")) == asyncio.run(rate(currency="CHF")) == 1.05
"""
    register = "import stagecache.integrations.dogpile\n"  # by now dogpile finds it by its name
    run(register + "\n".join([*found, asked]), tmp_path)
    assert (tmp_path / "regions").is_dir()


def test_the_examples_of_the_page_on_django_run(tmp_path):
    pytest.importorskip("django")
    settings, use = blocks("django.md")
    settings = settings.replace("/var/cache/shop", str(tmp_path / "shop"))
    configure = "from django.conf import settings\n\nsettings.configure(CACHES=CACHES)\n"
    run("\n".join([settings, configure, use]), tmp_path)


def test_the_arguments_that_the_page_names_are_those_of_the_backend():
    pytest.importorskip("dogpile.cache")
    from stagecache.integrations.dogpile import backend

    table = (DOCS / "from-dogpile.md").read_text().partition("| `arguments` |")[2]
    named = {
        name
        for row in table.partition("\n\n")[0].splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert named == backend._ARGUMENTS


@pytest.mark.parametrize("page", ["from-dogpile.md", "django.md"])
def test_pages_name_files_that_are_there(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text()):
        assert os.path.exists(DOCS / target), target
