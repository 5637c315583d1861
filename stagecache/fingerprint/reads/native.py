"""Wraps what opens files natively, past the audit hook."""

from __future__ import annotations


def install() -> None:
    """Begin to wrap, once in the life of the process."""
