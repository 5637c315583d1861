"""Errors are one family and survive a trip between processes."""

from __future__ import annotations

import pickle

import pytest

from stagecache import errors

FAMILY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.StagecacheError)
]
FIELDS = {
    errors.CollectionFullError: ("prices", 10, None),
    errors.DoesNotFitError: ("/cache", "etl:clean", 2_000_000, 1_000_000),
    errors.FingerprintError: ("config['db']", "a socket", "argument of f", "Pass it."),
    errors.LockError: ("reports", "what happened"),
    errors.LockLostError: ("reports", "what happened"),
    errors.LockUnavailableError: ("reports", "what happened"),
    errors.NotHeldError: ("reports", "what happened"),
    errors.ShelfError: ("redis://host", "no memory left", False),
}


@pytest.mark.parametrize("kind", FAMILY)
def test_errors_keep_their_fields_and_message_when_pickled(kind):
    error = kind(*FIELDS.get(kind, ("what happened",)))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
