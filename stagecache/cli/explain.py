"""``stagecache explain``: says what a run would do now, and why; nothing runs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from stagecache.cli.arguments import bind
from stagecache.cli.output import print_json, print_text, stdout_kept_clear
from stagecache.cli.targets import load_target, nearest
from stagecache.errors import UnknownNameError
from stagecache.markup import page as document
from stagecache.stage import Stage

if TYPE_CHECKING:
    from stagecache.model import Reason
    from stagecache.records import Explanation, Plan, Step


@click.command()
@click.argument("target", metavar="FILE_OR_MODULE:NAME")
@click.argument("words", metavar="[NODE] [NAME=VALUE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html", "page", metavar="FILE", type=click.File("w", "utf-8", lazy=True),
    help="Write it to FILE as well, as a page that needs nothing else.",
)  # fmt: skip
def explain(target: str, words: tuple[str, ...], as_json: bool, page: IO[str] | None) -> None:
    """Say what would run and why; nothing runs.

    With NODE (`clean`, or `clean[3]`), everything that is known of that node: all reasons, with
    a diff of what changed in its code and the columns, keys or positions of an argument.
    """
    is_node = bool(words) and "=" not in words[0]
    node, arguments = (words[0], words[1:]) if is_node else (None, words)
    with stdout_kept_clear(as_json):
        found = load_target(target)
        args, kwargs = bind(found, arguments)
        if isinstance(found, Stage):
            if node not in (None, found.name):
                raise UnknownNameError(f"`{found.name}` is a stage: it has no node `{node}`.")
            answer: Explanation | Plan = found.explain(*args, **kwargs)
            plain, text = answer.to_dict(), str(answer)
        else:
            plan = found.plan(*args, **kwargs)
            if node is not None:
                plan = plan._replace(steps=_steps(plan, node))
            answer, plain = plan, plan.to_dict()
            if node is not None:
                plain["all_reasons"] = {
                    s.node: [reason._asdict() for reason in _reasons(s)] for s in plan.steps
                }
            text = str(plan) if node is None else "\n".join(map(_in_full, plan.steps))
    if page is not None:
        page.write(document(f"{target} {' '.join(words)}".rstrip(), answer._repr_html_()))
    if as_json:
        print_json(plain)
    else:
        print_text(text)


def _steps(plan: Plan, node: str) -> tuple[Step, ...]:
    """Return the steps of that name, or of all nodes of the stage of that name."""
    steps = tuple(s for s in plan.steps if node in (s.node, s.node.partition("[")[0]))
    if not steps:
        hint = nearest(node, [step.node for step in plan.steps])
        raise UnknownNameError(f"`{plan.pipeline}` has no node `{node}`.{hint}")
    return steps


def _in_full(step: Step) -> str:
    lines = [str(step)]
    for at, reason in enumerate(_reasons(step)):
        lines += [f"  also {reason}"] if at else []
        lines += [f"    {line}" for line in reason.detail.splitlines()]
    return "\n".join(lines)


def _reasons(step: Step) -> tuple[Reason, ...]:
    return () if step.reason is None else (step.reason, *step.others)
