"""Edits of the environment that a body asks for through a mapping, a library or another program."""

from __future__ import annotations

import textwrap
from importlib.util import find_spec

from cases import keep, rerun

_LIBRARY = {
    "site/conf_z.py": """
import os

class Env:
    def __init__(self, prefix=""):
        self.prefix = prefix

    def __call__(self, name):
        return os.environ.get(self.prefix + name, "none")

    def all(self):
        return {k.lower(): v for k, v in os.environ.items()}

def proxies():
    return {k: v for k, v in os.environ.items() if k.endswith("_proxy")}

def width():
    return int(os.environ["COLUMNS"])

def filled(cls):
    found = {k.lower(): v for k, v in os.environ.items()}
    return cls(**{name: found.get(name, "none") for name in cls.__annotations__})
""",
    "site/conf_z-1.0.dist-info/RECORD": "conf_z.py,,\n",
}
_SET = """
import os, subprocess, sys
sys.path.insert(0, "site")
os.environ["{variable}"] = $edit
"""


def _program(body: str, variable: str) -> str:
    body = textwrap.dedent(body).strip()
    if "@stage" not in body:
        body = "@stage\ndef work(x):\n" + textwrap.indent(body, "    ")
    return _SET.format(variable=variable) + body


def _asks(name: str, body: str, variable: str = "SITE_Z", needs: str = "") -> None:
    """Add a case in which the value of a variable must make the stage run again."""
    if not needs or find_spec(needs) is not None:
        rerun(f"environment {name}", "'a'", "'b'", _program(body, variable), files=_LIBRARY)


def _leaves(name: str, body: str, variable: str) -> None:
    """Add a case in which a variable is nobody's input."""
    keep(f"environment not {name}", "'60'", "'70'", _program(body, variable), files=_LIBRARY)


_asks(
    "put into a template",
    """
    import string

    class Template(string.Template):
        delimiter = "@"

    @stage
    def work(x):
        return Template("at @SITE_Z").substitute(os.environ)
    """,
)
_asks(
    "given to a parser of configurations",
    """
    from configparser import ConfigParser
    return ConfigParser(os.environ, interpolation=None)["DEFAULT"]["site_z"]
    """,
)
_asks("as bytes", "return os.environb[b'SITE_Z'].decode()")
_asks("as bytes by a name that is worked out", "return os.environb[b'SITE_' + b'Z'].decode()")
_asks("copied into a dict", "return dict(os.environ)['SITE_Z']")
_asks("spread into a dict", "return {**os.environ, 'Y': '1'}['SITE_Z']")
_asks("joined to a dict", "return (os.environ | {'Y': '1'})['SITE_Z']")
_asks("items", "return [v for k, v in os.environ.items() if k == 'SITE_Z']")
_asks("copied", "return os.environ.copy()['SITE_Z']")
_asks("printed", "return 'a' in repr(os.environ).partition('SITE_Z')[2][:8]")
_asks(
    "in a chain of mappings",
    "from collections import ChainMap\nreturn ChainMap({}, os.environ)['SITE_Z']",
)
_asks("in a path", "return os.path.expandvars(chr(36) + 'SITE_Z/y')")
_asks("spread into a text", "return '{SITE_Z}'.format(**os.environ)")
_asks("mapped into a text", "return '{SITE_Z}'.format_map(os.environ)")
_asks("by a name that is worked out", "return os.getenv('_'.join(['SITE', 'Z']))")
_asks("in a copy by the name of a person's variable", "return dict(os.environ)['EDITOR']", "EDITOR")
_asks(
    "in a copy by a name that a global holds",
    """
    NAMES = ["SITE_Q", "EDITOR"]

    def of(env):
        return [env.get(name) for name in NAMES]

    @stage
    def work(x):
        return of(dict(os.environ))
    """,
    "EDITOR",
)
_asks("home of a path", "from pathlib import Path\nreturn str(Path('~/z').expanduser())", "HOME")
_asks(
    "by pydantic",
    """
    from pydantic_settings import BaseSettings

    class Settings(BaseSettings):
        site_z: str = "none"

    @stage
    def work(x):
        return Settings().site_z
    """,
    needs="pydantic_settings",
)
_asks(
    "by pydantic, with a prefix and an alias",
    """
    from pydantic import Field
    from pydantic_settings import BaseSettings

    class Settings(BaseSettings, env_prefix="site_"):
        z: str = "none"
        other: str = Field("none", validation_alias="ALIAS_Z")

    @stage
    def work(x):
        return Settings().z, Settings().other
    """,
    needs="pydantic_settings",
)
_asks(
    "by pydantic under an alias",
    """
    from pydantic import Field
    from pydantic_settings import BaseSettings

    class Settings(BaseSettings):
        other: str = Field("none", validation_alias="ALIAS_Z")

    @stage
    def work(x):
        return Settings().other
    """,
    "ALIAS_Z",
    needs="pydantic_settings",
)
_asks("by a library's function", "import conf_z\nreturn conf_z.Env()('SITE_Z')")
_asks("by a library's function, with a prefix", "import conf_z\nreturn conf_z.Env('SITE_')('Z')")
_asks(
    "by a library that fills a class",
    """
    import conf_z
    from dataclasses import dataclass

    @dataclass
    class Settings:
        site_z: str

    @stage
    def work(x):
        return conf_z.filled(Settings).site_z
    """,
)
_asks(
    "of a command",
    """
    import click

    @click.command()
    @click.option("--site", envvar="SITE_Z")
    def command(site):
        return site

    @stage
    def work(x):
        return command.main([], standalone_mode=False)
    """,
)
_ECHO = "'echo ' + chr(36) + 'SITE_Z'"
_RUN = f"return subprocess.run({_ECHO}, shell=True, capture_output=True, text=True, check=True"
_asks("in a shell's command", _RUN + ").stdout")
_asks(
    "in a command of sh",
    _RUN.replace(_ECHO, f"['sh', '-c', {_ECHO}]").replace("shell=True, ", "") + ").stdout",
)
_asks("in a command for os.popen", f"return os.popen({_ECHO}).read()")
_asks("in braces in a shell's command", _RUN.replace("'SITE_Z'", "'{SITE_Z:-none}'") + ").stdout")
_asks("handed to a shell", _RUN + ", env={**os.environ, 'Y': '1'}).stdout")
_PYTHON = "[sys.executable, '-c', 'import os; print(os.environ[\"SITE_Z\"])']"
_CHILD = f"return subprocess.run({_PYTHON}, capture_output=True, text=True, check=True"
_asks("in the program that another Python is given", _CHILD + ").stdout")
_asks(
    "handed to another Python",
    _CHILD.replace("SITE_Z", "SITE_' + 'Z") + ", env={**os.environ, 'Y': '1'}).stdout",
)

_leaves(
    "the width that a library asks for", "import conf_z\nreturn bool(conf_z.width())", "COLUMNS"
)
_leaves("the proxies of a library", "import conf_z\nreturn len(conf_z.proxies())", "OTHER_Z")
_leaves(
    "all that a library looks through",
    "import conf_z\nreturn len(conf_z.Env().all()) > 1",
    "OTHER_Z",
)
_TRUE = "return subprocess.run(['true'], check=True"
_leaves("what a program inherits", _TRUE + ").returncode", "OTHER_Z")
for _name in ("TERM", "COLUMNS", "HOME", "EDITOR", "SHLVL", "VIRTUAL_ENV", "STARSHIP_SESSION_KEY"):
    _leaves(
        f"{_name} that is handed on", _TRUE + ", env={**os.environ, 'Y': '1'}).returncode", _name
    )
    _leaves(f"{_name} in a copy", "return len(dict(os.environ)) > 1", _name)
_PATH = """
import os, subprocess
os.environ["PATH"] = $edit + os.pathsep + os.defpath

@stage
def work(x):
    subprocess.run(["true"], check=True)
    subprocess.run(["true"], check=True, env=os.environ.copy())
    return x
"""
keep("environment not the PATH by which programs are found", "'/nowhere'", "'/elsewhere'", _PATH)
_ARGUMENTS = """
import argparse
import sys
{more}
sys.argv[1:] = ["--limit", $edit]

def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit")
    return parser.parse_args()

@stage
def work(x):
    return {asked}
"""
_GIVEN = {
    "an argument of the program": "sys.argv[2]",
    "an argument of the program, by a parser": "arguments().limit",
    "an argument of the program, by another name": "given[2]",
}
for _name, _asked in _GIVEN.items():
    rerun(_name, "'a'", "'b'", _ARGUMENTS.format(asked=_asked, more="given = sys.argv"))
keep(
    "an argument of the program that the stage does not ask for", "'a'", "'b'",
    _ARGUMENTS.format(asked="x", more=""),
)  # fmt: skip
_ZONE = """
import datetime
import os
import time

os.environ["TZ"] = $edit
time.tzset()

@stage
def work(x):
    return {asked}
"""
_LOCAL = {
    "of a moment": "datetime.datetime.fromtimestamp(x).isoformat()",
    "of a date": "datetime.datetime(2024, 1, x).timestamp()",
    "of a structure": "(lambda: list(time.localtime(x)))()",
    "to which a date is moved": (
        "datetime.datetime(2024, 1, x, tzinfo=datetime.timezone.utc).astimezone().isoformat()"
    ),
}
for _name, _asked in _LOCAL.items():
    rerun(
        f"local time zone {_name}",
        "'America/New_York'",
        "'Europe/Berlin'",
        _ZONE.format(asked=_asked),
    )
keep(
    "local time zone where all is in another",
    "'America/New_York'",
    "'Europe/Berlin'",
    _ZONE.format(asked="datetime.datetime(2024, 1, x, tzinfo=datetime.timezone.utc).isoformat()"),
)
