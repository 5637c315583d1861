"""Old directories of diskcache that are damaged anywhere: an import tells of it, and goes on."""

from __future__ import annotations

import random
import shutil
import warnings
from pathlib import Path

import diskcache as theirs

from stagecache.integrations import diskcache
from stagecache.integrations.diskcache.importing import bring


def test_no_byte_of_an_old_cache_makes_an_import_fail(rounds, tmp_path):
    whole = tmp_path / "whole"
    with theirs.Cache(str(whole), sqlite_journal_mode="delete") as cache:
        for number in range(40):
            cache.set(number, "x" * number, expire=1e6 if number % 3 else None, tag="a")
            cache[("t", number)] = {"a": [number]}
        cache["large"] = b"y" * 40_000
    lost = 0
    for number in rounds(10_000, "damaged files"):
        source, target = tmp_path / "old", tmp_path / "new"
        shutil.copytree(whole, source)
        draw = random.Random(number)
        file = source / "cache.db"
        data = bytearray(file.read_bytes())
        for _ in range(draw.choice((1, 3, 30, 3000))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        file.write_bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])
        try:
            (report,) = bring(str(source), str(target))
            lost += report.brought < 81
            with diskcache.Cache(target) as cache, warnings.catch_warnings():
                warnings.simplefilter("error")
                if len(cache) != report.brought:
                    rounds.failed(f"{number}: {len(cache)} of {report.brought} are there")
        except Exception as error:
            rounds.failed(f"{number}: {type(error).__name__}: {error}")
        for folder in (source, target):
            shutil.rmtree(Path(folder), ignore_errors=True)
    rounds.note(f"{lost} lost something")
