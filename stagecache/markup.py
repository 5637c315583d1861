"""Writes text, tables and diffs as HTML that needs nothing else: no script, no resource, no theme.

What is said is decided by ``records``. Colours are translucent over whatever the page has, so
that they can be read in light and in dark; a notebook does not tell which of both it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_LINES = 200
"""How many nodes a table lists."""

_STYLE = """
.stagecache { font: 13px/1.5 system-ui, sans-serif; color: inherit; }
.stagecache table { border-collapse: collapse; margin: .4em 0; }
.stagecache th, .stagecache td { text-align: left; vertical-align: top; padding: .15em .8em .15em 0;
  border-bottom: 1px solid rgba(128, 128, 128, .3); background: none; }
.stagecache pre { font: 12px/1.45 ui-monospace, monospace; margin: .2em 0 .4em; padding: .3em 0;
  background: rgba(128, 128, 128, .1); overflow-x: auto; color: inherit; }
.stagecache pre span { display: block; padding: 0 .6em; min-height: 1.45em; white-space: pre; }
.stagecache .added { background: rgba(46, 160, 67, .25); }
.stagecache .removed { background: rgba(248, 81, 73, .25); }
.stagecache .place { opacity: .65; }
.stagecache .status { padding: 0 .5em; border-radius: .6em; background: rgba(128, 128, 128, .2); }
.stagecache .hit { background: rgba(46, 160, 67, .25); }
.stagecache .run, .stagecache .ran { background: rgba(31, 111, 235, .25); }
.stagecache .failed { background: rgba(248, 81, 73, .3); }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body {{ background: Canvas; color: CanvasText; margin: 2em; }}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STATUSES = ("hit", "run", "ran", "failed", "skipped", "unknown")


class Markup(str):
    """Text that is HTML already; any other text is escaped."""

    __slots__ = ()


def text(value: object) -> Markup:
    r"""Return text escaped, what cannot be seen in it (controls, changes of direction) spelt out.

    Examples
    --------
    >>> print(text('<b>"\x00'))
    &lt;b&gt;&quot;\x00
    """
    if isinstance(value, Markup):
        return value
    from html import escape

    shown = str(value)
    if not shown.isprintable():
        shown = "".join(
            char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in shown
        )
    return Markup(escape(shown))


def fragment(headline: object, *pieces: Markup) -> str:
    """Return what a notebook shows of an object: a headline and what follows it."""
    inner = "\n".join((f"<div><strong>{text(headline)}</strong></div>", *pieces))
    return f'<div class="stagecache"><style>{_STYLE}</style>\n{inner}\n</div>'


def page(title: str, body: str) -> str:
    """Return a whole document around a :func:`fragment`."""
    return _PAGE.format(title=text(title), body=body)


class Line(NamedTuple):
    """One node in a table of nodes."""

    node: str
    status: str
    took: str
    why: str
    detail: str
    others: tuple[tuple[str, str], ...] = ()
    """What else is true, each with its detail."""


def nodes(headline: str, lines: Sequence[Line], others: Mapping[str, Sequence[str]]) -> str:
    """Return a fragment with a line for each node that matters, at most ``MOST_LINES``.

    Parameters
    ----------
    headline : str
        What all of it is.
    lines : sequence of Line
        The nodes that matter.
    others : mapping of str to sequence of str
        Status -> what else has it, in few words each.
    """
    rows = [
        (line.node, _status(line.status), line.took, _reasons(line)) for line in lines[:MOST_LINES]
    ]
    cut = len(lines) - len(rows)
    more = [paragraph(f"... and {cut} more")] if cut else []
    rest = [
        Markup(f"<div>{_status(word)} {text(', '.join(names))}</div>")
        for word, names in others.items()
        if names
    ]
    return fragment(headline, _table(("node", "", "time", "why"), rows), *more, *rest)


def _reasons(line: Line) -> Markup:
    others = (paragraph(why) + detail(more) for why, more in line.others)
    return Markup(text(line.why) + detail(line.detail) + "".join(others))


def paragraph(value: object) -> Markup:
    """Return a paragraph."""
    return Markup(f"<div>{text(value)}</div>")


def _status(word: str) -> Markup:
    """Return a coloured word for what became of a node."""
    kind = f" {word}" if word in _STATUSES else ""
    return Markup(f'<span class="status{kind}">{text(word)}</span>')


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table; nothing if it has no rows."""
    lines = [_row("td", row) for row in rows]
    if not lines:
        return Markup()
    return Markup("\n".join(["<table>", _row("th", headings), *lines, "</table>"]))


def detail(value: str) -> Markup:
    r"""Return lines as they are, those of a unified diff coloured.

    Examples
    --------
    >>> print(detail("--- before\n+++ now\n-old\n+new").replace("><", ">\n<"))
    <pre>
    <span class="place">--- before</span>
    <span class="place">+++ now</span>
    <span class="removed">-old</span>
    <span class="added">+new</span>
    </pre>
    """
    if not value:
        return Markup()
    lines = value.split("\n")
    is_diff = lines[0].startswith("--- ")
    spans = []
    for at, line in enumerate(lines):
        kind = _kind(line, at) if is_diff else ""
        spans.append(f"<span{kind}>{text(line)}</span>")
    return Markup(f"<pre>{''.join(spans)}</pre>")


def _kind(line: str, at: int) -> str:
    if at < 2 or line.startswith("@@"):
        return ' class="place"'
    return {"+": ' class="added"', "-": ' class="removed"'}.get(line[:1], "")


def _row(cell: str, values: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{cell}>{text(value)}</{cell}>" for value in values) + "</tr>"
