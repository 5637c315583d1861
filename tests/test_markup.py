"""What notebooks and pages show is HTML that needs nothing else, whatever names and texts say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

import stagecache
from stagecache.markup import detail, page
from stagecache.model import Outcome, Reason
from stagecache.records import Explanation, Plan, Run, Step

HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>", "' onmouseover='alert(1)", '" onmouseover="alert(1)',
    "javascript:alert(1)", "<a href=//x>y</a>", "<iframe src=https://x>",
    "<style>*{display:none}</style>", "</style><b>", "</pre></div></table>", "</td></tr>",
    "</title><script>", "<!--", "-->", "<!-- --!>", "<![CDATA[x]]>", "]]>", "<?php ?>",
    "&lt;script&gt;", "&amp;", "&#60;b&#62;", "&nbsp", "&", "<", ">", '"', "'", "`", "${x}",
    "{x}", "{title}", "%s", "\\", "\x00", "a\x00b", "\x1b[31mred", "\r\nSet-Cookie: x",
    "\u202egnp.exe", "\u2066x\u2069", "\ud800", "\ufeff<b>", "\u2028<b>", "<\u200bscript>",
    "\uff1cscript\uff1e", "\U0001f989<b>", "a" * 5000 + "<b>", "<b\n>", "<base href=//x>",
    "<meta http-equiv=refresh content=0>", "<form>", "@import url(//x)", "}</style>{",
    "class='x'",
]  # fmt: skip

TAGS = {"div", "style", "strong", "table", "tr", "th", "td", "pre", "span"}
PAGE_TAGS = TAGS | {"html", "head", "meta", "title", "body"}


class Reader(HTMLParser):
    """Collects the elements, attributes and text of a document, and that all are closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.open, self.texts = set(), set(), [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attributes}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    unknown_decl = handle_pi = handle_comment


def records(word):
    code = Reason("code", word, f"--- before\n+++ now\n@@ -1 +1 @@\n-{word}\n+{word}")
    argument = Reason("argument", word, word)
    return [
        Explanation(word, False, (code, argument), word, (word,), (word,), (word,)),
        Plan(word, (Step(word, word, "run", code), Step(word, word, "hit"))),
        Run(word, word, (
            Outcome(word, word, "ran", None, argument, 1.0),
            Outcome(word, word, "hit"),
            Outcome(word, word, "failed", error=ValueError(word)),
        ), 0.0, 1.0),
    ]  # fmt: skip


def shown(word):
    visible = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in word)
    return "".join("".join(visible).split())


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_name_or_text_is_shown_and_does_nothing(word):
    for record in records(word):
        reader = Reader(record._repr_html_())
        assert reader.tags <= TAGS
        assert not reader.open
        assert {name for _, name in reader.attributes} <= {"class"}
        assert shown(word) in shown("".join(reader.texts))
        document = page(word, record._repr_html_())
        document.encode()
        reader = Reader(document)
        assert reader.tags <= PAGE_TAGS
        assert not reader.open


def test_a_page_needs_nothing_else():
    assert len(HOSTILE) >= 50
    for record in records("plain"):
        document = page("plain", record._repr_html_())
        assert "default-src 'none'" in document
        assert not re.search(r"https?:|src=|href=|url\(|@import|<script|<link", document)


def test_the_lines_of_a_diff_are_told_apart():
    html = detail("--- before\n+++ now\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n---x")
    assert '<span class="removed">-old</span>' in html
    assert '<span class="added">+new</span>' in html
    assert "<span> same</span>" in html
    assert '<span class="removed">---x</span>' in html
    assert "class" not in detail("- no diff\n+ but a list")


def test_a_run_of_many_nodes_stays_readable():
    ran = [Outcome(f"load[{n}]", "etl:load", "ran", seconds=1.0) for n in range(5000)]
    hits = [Outcome(f"clean[{n}]", "etl:clean", "hit") for n in range(5000)]
    html = Run("nightly", None, (*ran, *hits), 0.0, 1.0)._repr_html_()
    assert html.count("<tr>") < 250
    assert "and 4800 more" in html
    assert "clean x5000" in html


def test_what_people_get_back_shows_itself(cache):
    @stagecache.stage
    def double(x: int) -> int:
        return 2 * x

    @stagecache.pipeline
    def doubled(n: int):
        return double.map(range(n))

    run = doubled.run(2)
    assert "doubled: 2 ran, 0 hit" in run._repr_html_()
    assert "double[1]" in run._repr_html_()
    assert "doubled: 1 to run, 2 hit" in doubled.plan(3)._repr_html_()
    explanation = double.explain(7)
    assert "would run" in explanation._repr_html_()
    assert "int 7" in explanation._repr_html_()
