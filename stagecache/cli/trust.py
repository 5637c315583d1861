"""``stagecache trust``: a person vouches for a directory that was copied, unpacked or restored."""

from __future__ import annotations

import sys

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text
from stagecache.errors import StoreError


@click.command()
@click.argument("directory", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trust(directory: str | None, as_json: bool) -> None:
    """Say that nobody else changed a cache directory, so that its pickles are read again.

    Reading a pickle runs what its writer wanted to be run. Do this for a DIRECTORY that you have
    copied, unpacked or restored yourself, from where only you could write; else remove it.
    """
    from stagecache.settings import MEMORY_ONLY, resolve
    from stagecache.stores.disk import DiskStore

    settings = resolve(directory=directory)
    if settings.directory == MEMORY_ONLY:
        raise WrongArgumentsError("Results are kept in memory only: name the directory.")
    store = DiskStore(settings.directory, secret=settings.secret)
    try:
        store.trust()
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)
    finally:
        store.close()
    if as_json:
        print_json({"directory": store.directory, "private": store.private})
    else:
        print_text(f"{store.directory} is trusted: what is pickled in it will be read.")
