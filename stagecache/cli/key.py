"""``stagecache key new``: makes the key that a team signs with what it shares."""

from __future__ import annotations

import os
import sys

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text
from stagecache.errors import SettingsError


@click.group()
def key() -> None:
    """Make keys that a team signs with what it shares."""


@key.command()
@click.argument("path", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new(path: str | None, as_json: bool) -> None:
    """Make a key in a new file at PATH, by default beside your settings.

    Whoever has it can write what the whole team takes for its own, pickles included if these are
    allowed. Give it to members of the team alone, by a way that nobody else can read.
    """
    from stagecache.stores.shared.keyring import default_path, make

    path = os.path.abspath(path or default_path())
    if _is_in_cache(path):
        raise WrongArgumentsError(
            f"{path} lies in the cache directory, which may be copied, shared or removed. Choose "
            "another folder."
        )
    try:
        made = make(path)
    except OSError as error:
        if os.path.lexists(path):
            sys.stderr.write(f"{path} is there already, and may be in use. Choose another PATH.\n")
        else:
            sys.stderr.write(f"No key can be made at {path}: {error.strerror}\n")
        sys.exit(FAILED)
    name = made.signing.id.hex()
    if as_json:
        print_json({"path": path, "id": name})
        return
    import json

    quoted = json.dumps(path)  # as TOML has it as well
    print_text(
        f"The key {name} is in {path}, for you alone to read.\n\n"
        "Everybody in the team needs a copy of it (mode 600), and this in the own file of "
        f"settings,\n{_settings_file()}:\n\n"
        f"    signing_key = {quoted}\n"
        "    allow_pickle = true    # only if results that need pickle are to be shared, too\n\n"
        f"or in the environment: STAGECACHE_SIGNING_KEY={path}\n\n"
        "To change keys, name both for a while: the first one signs, all of them count."
    )


def _is_in_cache(path: str) -> bool:
    from stagecache.settings import MEMORY_ONLY, resolve

    try:
        directory = resolve().directory
    except SettingsError:  # such as that a key is missing, which is about to be mended
        return False
    inside = os.path.join(os.path.realpath(directory), "")
    return directory != MEMORY_ONLY and os.path.realpath(path).startswith(inside)


def _settings_file() -> str:
    from stagecache.settings.places import config_folder

    return os.path.join(config_folder(), "config.toml")
