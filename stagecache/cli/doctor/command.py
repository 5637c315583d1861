"""The command: asks every check and prints the answers."""

from __future__ import annotations

import sys

import click

from stagecache.cli.doctor.words import PROBLEM, WARNING, Finding, Patient, without_secrets
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Check this machine and the cache directory; exit with 1 if there is a problem.

    Nothing is changed: a few temporary files are written and removed.
    """
    findings = _examine()
    problems, warnings = (
        sum(finding.level == level for finding in findings.values()) for level in (PROBLEM, WARNING)
    )
    if as_json:
        checks = [{"name": name, **finding._asdict()} for name, finding in findings.items()]
        print_json({"problems": problems, "warnings": warnings, "checks": checks})
    else:
        for name, finding in findings.items():
            print_text(_in_words(name, finding))
        print_text(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    if problems:
        sys.exit(FAILED)


def _examine() -> dict[str, Finding]:
    from stagecache.cli.doctor.checks import CHECKS, ask
    from stagecache.clock import SystemClock
    from stagecache.errors import SettingsError
    from stagecache.settings import origins, resolve

    try:
        patient = Patient(resolve(), origins(), SystemClock())
    except SettingsError as error:
        advice = "Mend the setting: until then every use of the cache fails."
        return {"settings": Finding(PROBLEM, without_secrets(str(error)), advice)}
    return {check.name: ask(check, patient) for check in CHECKS}


def _in_words(name: str, finding: Finding) -> str:
    lines = finding.detail.splitlines()
    if finding.advice:
        lines.append(f"-> {finding.advice}")
    indent = "\n" + " " * 22
    return f"{finding.level:<8} {name:<12} {indent.join(lines)}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'s' if number > 1 else ''}"
