"""What Django asks of every cache backend, from its own tests, if a checkout of it is at hand.

``DJANGO_CHECKOUT=/path/to/django pytest tests/integrations/test_django_own.py``; its version is to
be that of the Django that is installed.
``make theirs`` fetches it first.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("DJANGO_CHECKOUT")

RUN = """
import json, sys, tempfile, unittest

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="not a secret", INSTALLED_APPS=["cache"], USE_TZ=False, ROOT_URLCONF=None,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.test.utils import setup_test_environment

setup_test_environment()
call_command("migrate", run_syncdb=True, verbosity=0)
from cache.tests import BaseCacheTests, caches_setting_for_tests

ours = caches_setting_for_tests(
    BACKEND="stagecache.integrations.django.StagecacheCache", LOCATION=sys.argv[1]
)


@override_settings(CACHES=ours)
class Ours(BaseCacheTests, TestCase):
    pass


result = unittest.TestResult()
unittest.defaultTestLoader.loadTestsFromTestCase(Ours).run(result)
print(json.dumps({
    "run": result.testsRun,
    "skipped": len(result.skipped),
    "wrong": [str(case) + text for case, text in result.failures + result.errors],
}))
"""


def test_what_django_asks_of_a_backend_holds(tmp_path):
    if not CHECKOUT:
        pytest.skip("DJANGO_CHECKOUT names no Django; make theirs")
    tests = Path(CHECKOUT) / "tests"
    asked = (tests / "cache" / "tests.py").read_text().partition("class BaseCacheTests")[2]
    expected = len(re.findall(r"    def test_", asked.partition("\n@override_settings")[0]))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "cache")],
        env={**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{tests}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["run"], found["skipped"], found["wrong"]) == (expected, 0, [])
