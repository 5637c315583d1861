"""Programs are read in threads at once, whatever Python makes of that."""

from __future__ import annotations

import ast
import threading

import pytest

from stagecache.fingerprint.code import parsing


@pytest.fixture
def troubles(monkeypatch):
    """How often Python is to take another thread's depth for this one's."""
    left = []
    real = ast.parse

    def parse(*args, **kwargs):
        if left:
            left.pop()
            raise SystemError("AST constructor recursion depth mismatch (before=60, after=56)")
        return real(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", parse)
    return left


def test_a_program_is_read_although_another_thread_reads_one_at_the_same_moment(troubles):
    troubles += [1] * 5
    assert [type(each) for each in parsing.parse("a = 1\nb = 2").body] == [ast.Assign] * 2
    assert not troubles


def test_what_is_wrong_for_good_is_raised(troubles):
    troubles += [1] * 100
    with pytest.raises(SystemError, match="mismatch"):
        parsing.parse("a")
    del troubles[:]
    with pytest.raises(SyntaxError):
        parsing.parse("a b")


def test_our_own_threads_read_one_after_the_other(monkeypatch):
    inside = []
    most = []

    def parse(*_, **__):
        inside.append(1)
        most.append(len(inside))
        turn.wait(0.01)
        inside.pop()

    turn = threading.Event()
    monkeypatch.setattr(ast, "parse", parse)
    threads = [threading.Thread(target=parsing.parse, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
