"""Reaches an index that nothing may be written to, not even the log and the locks of readers.

Where somebody is writing, what he has in his log is read through his notes. Where nobody is, the
file is read as it lies, until somebody begins.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

from stagecache.stores.disk.connections import Connections
from stagecache.stores.disk.databases import closed_on_failure, state
from stagecache.stores.disk.sight import Sight
from stagecache.stores.disk.sound import is_alone, reader
from stagecache.stores.disk.trust import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stagecache.stores.disk.databases import Database
    from stagecache.stores.disk.session import Session
    from stagecache.stores.disk.trust import Trust


class ReadOnlyConnections(Connections):
    """The sessions of all threads on an index that others make and mend.

    Parameters
    ----------
    database : Database
        The file.
    trust : Trust
        Judges the directory before the file is opened.
    """

    def __init__(self, database: Database, trust: Trust) -> None:
        super().__init__(database, trust, durable=False)

    def open(self, session: Session, *, create: bool = False) -> Callable[..., Any] | None:  # noqa: ARG002 - nothing is made
        """Open a session, whose lock is held; return how to execute, or None if no index is there.

        Raises
        ------
        OSError, apsw.Error
            If there is one that cannot be used.
        """
        path = self.directory.index
        if not os.path.exists(path):
            return None
        self._trust.judge()
        session.close()
        others = self._alone()
        with others.opening(session):
            sight = _LogSight(path)
            others.close(but=sight.identity)
            connection = reader(path)
            with closed_on_failure(connection):
                if state(connection) != self._database.state:
                    raise Refused(
                        "its index is that of another version", "Open it without `read_only` once."
                    )
            session.sight, session.connection = sight, connection
            session.execute = connection.cursor().execute
        if session.depth:
            session.execute("BEGIN")
        return session.execute

    def mend(self, problem: Exception) -> bool:  # noqa: ARG002 - nothing is mended
        """Let the index be opened anew; tell that there is nothing to try again."""
        session = self.session()
        with session.lock:
            session.close()
        return False

    def writing(self) -> NoReturn:
        """Refuse.

        Raises
        ------
        Refused
            Always.
        """
        raise refusal()

    def insert(self, statement: str, values: tuple[Any, ...]) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        Refused
            Always.
        """
        raise refusal()

    def run(self, statement: str, values: Sequence[Any]) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        Refused
            Always.
        """
        raise refusal()

    def change(self, statement: str, values: Sequence[Any]) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        Refused
            Always.
        """
        raise refusal()


def refusal() -> Refused:
    """Return why nothing is written."""
    return Refused("it was opened with `read_only`", "Open it without that to change it.")


class _LogSight(Sight):
    """Besides, whether there is a log by now: who knows of none must hear of it."""

    __slots__ = ()

    def _look(self) -> tuple[int, ...]:
        found = super()._look()
        if not is_alone(self._path):
            return found
        status = os.stat(self._path)
        return *found, status.st_size, status.st_mtime_ns
