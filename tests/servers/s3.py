"""A server that speaks S3: moto's, in a process of its own, with a new bucket for each test."""

from __future__ import annotations

import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.process import Server


class S3Server(Server):
    """moto's server; it believes any credentials."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def bucket(self) -> str:
        """Make a bucket; return its name."""
        name = f"bucket-{uuid.uuid4().hex}"
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        return name


@pytest.fixture(scope="session")
def _s3_server_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_server(_s3_server_of_all: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A server that the environment points to, shared with other tests."""
    _point_to(_s3_server_of_all.endpoint, monkeypatch)
    return _s3_server_of_all


@pytest.fixture
def s3_endpoint(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what points the environment to an endpoint."""
    return lambda endpoint: _point_to(endpoint, monkeypatch)
