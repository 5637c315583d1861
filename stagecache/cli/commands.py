"""The group of all commands, and what exit code each kind of trouble has."""

from __future__ import annotations

import sys
from typing import Any

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.doctor.command import doctor
from stagecache.cli.explain import explain
from stagecache.cli.failures import FAILED, traceback_of
from stagecache.cli.import_diskcache import import_diskcache
from stagecache.cli.invalidate import invalidate
from stagecache.cli.key import key
from stagecache.cli.keys import AmbiguousKeyError
from stagecache.cli.listing import list_entries, show
from stagecache.cli.run import run
from stagecache.cli.status import status
from stagecache.cli.trust import trust
from stagecache.cli.upkeep import forget, gc
from stagecache.cli.verify import verify
from stagecache.errors import SettingsError, UnknownNameError

ASKED_WRONGLY = (UnknownNameError, SettingsError, WrongArgumentsError, AmbiguousKeyError)


class Commands(click.Group):
    """Tells a wrong question (2) from a failure (1)."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except ASKED_WRONGLY as error:
            raise click.UsageError(str(error)) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the user's file may raise anything
            sys.stderr.write(traceback_of(error))
            sys.exit(FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stagecache", message="%(prog)s %(version)s")
def commands() -> None:
    """Run data jobs whose results are kept, and ask why something would run."""


for command in (
    run, status, explain, list_entries, show, gc, verify, forget, invalidate, doctor, trust, key,
    import_diskcache,
):  # fmt: skip
    commands.add_command(command)
