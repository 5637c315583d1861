"""A URL opens a shelf, if its extra is installed."""

from __future__ import annotations

import sys

import pytest

from stagecache.errors import SettingsError
from stagecache.stores.shared.opening import open_shelf


@pytest.mark.parametrize(
    ("url", "package", "module"),
    [
        ("redis://:s3cr3t@host", "redis", "redis"),
        ("s3://bucket", "obstore", "objects"),
        ("memcached://host", "pymemcache", "memcached"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, url, package, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"stagecache.stores.shared.{module}", raising=False)
    monkeypatch.delitem(sys.modules, "stagecache.remote.redis_clients", raising=False)
    with pytest.raises(SettingsError, match=rf"pip install 'stagecache\[{module}\]'") as caught:
        open_shelf(url)
    assert package in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "redis", "redis:host", "http://user:s3cr3t@host", "://"])
def test_what_is_no_url_of_a_shelf_is_refused(url):
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_shelf(url)
    assert "s3cr3t" not in str(caught.value)
