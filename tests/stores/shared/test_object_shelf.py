"""Object stores as a shelf: conditional and large puts, what is refused, what is an outage."""

from __future__ import annotations

import contextlib
import http.server
import multiprocessing
import os
import socket
import threading
from functools import partial

import pytest
from servers.trouble import everything_said, failure

from stagecache.errors import SettingsError, ShelfError
from stagecache.stores.shared.objects import MOST, ObjectShelf
from stagecache.stores.shared.opening import open_shelf
from stagecache.testing.shelves import ShelfContract, put, take


class ObjectShelfContract(ShelfContract):
    """A child that is forked from a process that used obstore has no threads of it."""

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_and_its_parent_use_it_side_by_side(self, shelf):
        put(shelf, "a", b"value")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                error, _ = failure(lambda: take(shelf, "a"))
                os.write(writing, str(error.is_outage).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            assert answer.read() == b"True"
        os.waitpid(child, 0)
        assert take(shelf, "a") == b"value"


class TestContractOfS3(ObjectShelfContract):
    @pytest.fixture
    def shelf(self, s3_server):
        return ObjectShelf(f"s3://{s3_server.bucket()}/prefix", limit=2_000_000, timeout=60)


class TestContractOfAFolder(ObjectShelfContract):
    @pytest.fixture
    def shelf(self, tmp_path):
        return ObjectShelf(f"file://{tmp_path}/new/folder", limit=2_000_000)


class TestContractOfMemory(ObjectShelfContract):
    @pytest.fixture
    def shelf(self):
        return ObjectShelf("memory:///", limit=2_000_000)


@pytest.fixture
def s3_shelf(s3_server):
    return ObjectShelf(f"s3://{s3_server.bucket()}", timeout=60)


def ask_spawned(url, answers):
    answers.put(take(open_shelf(url), "a"))


def test_a_spawned_child_of_a_process_that_used_it_uses_it_too(tmp_path):
    url = f"file://{tmp_path}"
    put(open_shelf(url), "a", b"value")
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    child = context.Process(target=ask_spawned, args=(url, answers))
    child.start()
    assert answers.get() == b"value"
    child.join()


@pytest.mark.parametrize("replace", [False, True])
def test_a_large_value_of_many_pieces_comes_back_in_one_buffer(s3_shelf, replace):
    pieces = [os.urandom(1_000_000 + number) for number in range(9)]
    wide = memoryview(bytearray(os.urandom(16_000_000))).cast("d")
    assert s3_shelf.put("a", [*pieces, b"", wide], seconds=None, replace=replace)
    value = s3_shelf.get(["a"])["a"]
    assert isinstance(value, memoryview)
    assert bytes(value) == b"".join(pieces) + wide.tobytes()
    assert not put(s3_shelf, "a", b"other")


def test_values_lie_under_the_prefix_of_the_url(s3_server):
    bucket = s3_server.bucket()
    put(open_shelf(f"s3://{bucket}/team/one"), "a/b", b"value")
    assert take(open_shelf(f"s3://{bucket}/team"), "one/a/b") == b"value"


def test_names_never_lead_out_of_a_folder(tmp_path):
    shelf = open_shelf(f"file://{tmp_path}/shelf")
    (tmp_path / "secret").write_bytes(b"secret")
    for name in ("../secret", "a/../../secret", "/../secret", str(tmp_path / "secret")):
        with contextlib.suppress(ShelfError):
            assert shelf.get([name]) == {}
    assert put(shelf, "a", b"value")
    assert (tmp_path / "shelf" / "a").read_bytes() == b"value"


def test_a_folder_without_permission_or_room_refuses_and_is_no_outage(tmp_path):
    shelf = open_shelf(f"file://{tmp_path}")
    (tmp_path / "a").write_bytes(b"a file where a folder is to be")
    error, _ = failure(lambda: put(shelf, "a/b", b"value"))
    assert not error.is_outage
    assert put(shelf, "c", b"value")


# What is refused when a shelf is made


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:s3cr3t@bucket/prefix",
        "s3://bucket/prefix?secret_access_key=s3cr3t",
        "s3://bucket#s3cr3t",
        "s3://s3cr3t@[",
        "az://",
        "file://host/folder",
        "file:///proc/nothing/can/be/made/here",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_telling_what_is_secret(url):
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_shelf(url)
    assert "s3cr3t" not in everything_said(caught.value)


def test_a_bucket_that_is_not_there_is_refused(s3_server):
    with pytest.raises(SettingsError, match="there is no such bucket"):
        ObjectShelf("s3://nobody-made-this", timeout=60)


def test_no_value_may_be_larger_than_one_request():
    with pytest.raises(SettingsError, match="limit"):
        ObjectShelf("memory:///", limit=MOST + 1)


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with one status."""

    def __init__(self, status, body, *arguments):
        self.status = status
        self.body = body
        super().__init__(*arguments)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def answering(s3_endpoint):
    """Return what starts a server that answers everything in one way."""
    servers = []

    def start(status, body=b""):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer, status, body))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        s3_endpoint(f"http://127.0.0.1:{server.server_port}")

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (403, b"<Error><Code>InvalidAccessKeyId</Code></Error>")],
)
def test_credentials_that_are_refused_are_an_error_at_once_and_never_told(answering, status, body):
    answering(status, body)
    with pytest.raises(SettingsError, match="credentials in the environment") as caught:
        open_shelf("s3://bucket")
    assert "s3cr3t" not in everything_said(caught.value)


@pytest.mark.parametrize(("status", "is_outage"), [(403, False), (400, False), (503, True)])
def test_what_the_store_answers_tells_a_refusal_from_an_outage(answering, status, is_outage):
    answering(status)
    shelf = open_shelf("s3://bucket")
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.get(["a", "b"])):
        error, _ = failure(work)
        assert error.is_outage == is_outage
        assert "\n" not in str(error)
        assert "s3cr3t" not in everything_said(error)


def test_a_store_that_is_not_there_is_an_outage_not_an_error_of_settings(s3_endpoint):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        s3_endpoint(f"http://127.0.0.1:{unused.getsockname()[1]}")
        shelf = open_shelf("s3://bucket")
        for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.remove("a")):
            assert failure(work)[0].is_outage


def test_a_silent_store_is_an_outage_after_one_time_out(s3_endpoint):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        s3_endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}")
        shelf = ObjectShelf("s3://bucket", timeout=0.25)
        for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.remove("a")):
            error, seconds = failure(work)
            assert error.is_outage
            assert seconds >= 0.2


def test_a_server_that_is_stopped_is_an_outage_and_serves_again_when_it_goes_on(s3_server):
    url = f"s3://{s3_server.bucket()}"
    shelf, patient = ObjectShelf(url, timeout=0.25), ObjectShelf(url, timeout=60)
    put(patient, "a", b"value")
    s3_server.pause()
    try:
        assert failure(lambda: shelf.get(["a"]))[0].is_outage
        assert failure(lambda: put(shelf, "b", b"value"))[0].is_outage
    finally:
        s3_server.resume()
    assert take(patient, "a") == b"value"
