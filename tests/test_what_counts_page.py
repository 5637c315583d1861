"""What the page on what counts shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "what-counts.md").read_text()


def test_the_example_prints_what_the_page_shows(project):
    [program], [shown] = (
        re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
        for language in ("python", "text")
    )
    project.write("script.py", program)
    assert project.python("script.py").stdout == shown
