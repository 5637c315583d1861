"""Words for what makes kept results outdated before their time, and the judgement; pure.

A *mark* says that what was computed before it is not good any more. It concerns a *scope*: all
results, those of a stage, those of a tag, or the one under a key. A *hard* mark forbids a result;
after a *soft* one it may still be served while one caller computes it anew.

Marks lie in a *log*, one after the other, each with a number. A result keeps its *epoch*: which
number was the last when its body started. A mark with a greater number concerns it, however the
clocks of machines stand. A log has a random name: whoever lost one begins another, and nobody can
tell which marks of the lost one concern a result that knows of it, so all do.

Where logs are kept, who reads and who writes them is not known here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_64_hexdigest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stagecache.model import Entry, Key

EVERYTHING = "everything"
"""The scope of all results."""
_KEY, _BUCKET = "key ", "keys "
_GONE, _GONE_BUCKET = "gone ", "gones "
_BUCKET_DIGITS = 2
MOST_KEYS = 500
"""Keys with a mark of their own. Of more, the oldest share one with a 256th of all keys."""
OWN, TEAM = "d", "t"
"""How the names of logs begin: of one directory, and of all that share a tier."""
UNHEARD = TEAM
"""The name of no log: of the team's, in the epoch of a result that was made before it was heard of.
Once it is, nobody can tell whether there was another before it, so such a result is outdated."""
_MEMO = 10_000


def stage_scope(stage: str) -> str:
    """Return the scope of a stage, ``module:qualname``."""
    return f"stage {stage}"


def tag_scope(tag: str) -> str:
    """Return the scope of a tag."""
    return f"tag {tag}"


def results_scope(stage: str) -> str:
    """Return the scope of what was made of more results of a stage than an entry names."""
    return f"results {stage}"


def tags_of(entry: Entry) -> list[str]:
    """Return the tags by which a result can be invalidated."""
    prefix = tag_scope("")
    try:
        scopes = Epoch.of(entry.epoch).scopes
    except ValueError:
        return []
    return [scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix)]


def key_scope(key: Key) -> str:
    """Return the scope of the result under a key."""
    return _KEY + key.hex()


def gone_scope(key: Key) -> str:
    """Return the scope of what was made of the result under a key, in case that it is not there.

    Other than :func:`key_scope` it says nothing of the result itself.
    """
    return _GONE + key.hex()


def _bucket(key: str, of: str = _BUCKET) -> str:
    return of + key[:_BUCKET_DIGITS]


class Mark(NamedTuple):
    """The last marks of one scope, by their numbers in the log; 0: never."""

    hard: int = 0
    soft: int = 0
    by: str = ""
    """The machine that set the last one: for people."""
    at: float = 0.0
    """Seconds since the epoch, by its clock: for people, never compared."""


class Log(NamedTuple):
    """All that the marks of one log say, up to one of them.

    Examples
    --------
    >>> log = Log("d0").marked([tag_scope("fx")], soft=False, by="nodeB", at=0.0)
    >>> log.number, log.marks["tag fx"].hard
    (1, 1)
    """

    name: str
    """Random. Empty: of a log that was lost, and that nobody has begun anew."""
    number: int = 0
    """Of the last mark."""
    marks: Mapping[str, Mark] = {}

    def marked(self, scopes: Iterable[str], *, soft: bool, by: str, at: float) -> Log:
        """Return the log with one more mark, of all `scopes`."""
        number = self.number + 1
        marks = dict(self.marks)
        for scope in scopes:
            old = marks.pop(scope, Mark())  # the newest is the last
            hard, softly = (old.hard, number) if soft else (number, old.soft)
            marks[scope] = Mark(hard, softly, by, at)
        for kind, bucket in ((_KEY, _BUCKET), (_GONE, _GONE_BUCKET)):
            keys = [scope for scope in marks if scope.startswith(kind)]
            for scope in keys[:-MOST_KEYS]:
                mark, shared = marks.pop(scope), _bucket(scope.removeprefix(kind), bucket)
                old = marks.pop(shared, Mark())
                hard, softly = max(old.hard, mark.hard), max(old.soft, mark.soft)
                marks[shared] = Mark(hard, softly, mark.by, mark.at)
        return Log(self.name, number, marks)


class Epoch(NamedTuple):
    """Which marks a body knew of, and which scopes its result is in beside those of its stage.

    Examples
    --------
    >>> epoch = Epoch({"d0": 3}, ("tag fx",))
    >>> Epoch.of(epoch.encoded()) == epoch, Epoch().encoded()
    (True, b'')
    """

    numbers: Mapping[str, int] = {}
    """Name of a log -> number of the last mark."""
    scopes: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        """Return it as bytes, the same for equal ones."""
        if not self.numbers and not self.scopes:
            return b""
        import json

        fields = [sorted(self.numbers.items()), sorted(set(self.scopes))]
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def of(cls, encoded: bytes) -> Epoch:
        """Return what :meth:`encoded` was called on.

        Raises
        ------
        ValueError
            If it is not that.
        """
        return _epoch(encoded) if encoded else cls()


@lru_cache(1_000)
def _epoch(encoded: bytes) -> Epoch:
    import json

    try:
        numbers, scopes = json.loads(encoded)
        return Epoch({str(log): int(number) for log, number in numbers}, tuple(map(str, scopes)))
    except TypeError as error:
        raise ValueError(f"no epoch: {encoded!r}") from error


class Outdated(NamedTuple):
    """Why a result is outdated."""

    scope: str
    """Empty: marks that may concern it were lost."""
    mark: Mark
    is_soft: bool = False

    @property
    def subject(self) -> str:
        """What was marked, for people."""
        kind, _, name = self.scope.partition(" ")
        if kind == "tag":
            return f"tag {name!r}"
        if kind == "results":
            return f"one of many results of {name}"
        return {"key": "this result", "keys": "a few results, maybe not this one"}.get(
            kind, self.scope or "marks were lost"
        )


class Standing:
    """All marks that are in force for who looks at results, as far as they are known here.

    Parameters
    ----------
    own : Log
        Marks of this directory or process alone.
    team : Log, optional
        Marks of all that share a tier.
    joined : str, optional
        Name of the first team's log that was seen here.
    settled : int, optional
        Number of the last own mark that does not concern what knows of a team: made before there
        was one here, or told to it since.
    untold : mapping, optional
        Scopes of the own marks that a team has to be told of yet, and whether they are soft.

    Examples
    --------
    >>> Standing(Log("d0")).is_blank
    True
    """

    __slots__ = (
        "_has_gone",
        "_memo",
        "has_keys",
        "has_soft",
        "is_blank",
        "joined",
        "own",
        "settled",
        "team",
        "untold",
    )

    def __init__(
        self,
        own: Log,
        team: Log | None = None,
        joined: str = "",
        settled: int = 0,
        untold: Mapping[str, bool] | None = None,
    ) -> None:
        self.own = own
        self.team = team
        self.joined = joined
        self.settled = settled
        self.untold = untold or {}
        self.is_blank = not own.marks and (
            team is None or (not team.marks and joined in ("", team.name))
        )
        """Whether nothing can be wrong with a result that has no epoch."""
        self._memo: dict[tuple[Any, ...], Outdated | None] = {}
        marks = [*own.marks.items(), *(() if team is None else team.marks.items())]
        self.has_keys = any(scope.startswith((_KEY, _BUCKET)) for scope, _ in marks)
        """Whether anything was marked by its key."""
        self._has_gone = any(scope.startswith((_GONE, _GONE_BUCKET)) for scope, _ in marks)
        self.has_soft = any(mark.soft for _, mark in marks)
        """Whether anything was ever marked softly."""

    @property
    def numbers(self) -> dict[str, int]:
        """What a body that starts now knows."""
        numbers = {self.own.name: self.own.number} if self.own.number else {}
        if self.team is not None and self.team.name:
            numbers[self.team.name] = self.team.number
        return numbers

    def outdated(self, entry: Entry, scopes: tuple[str, ...] = ()) -> Outdated | None:
        """Return why a result is outdated by marks, the hard ones first; None if it is not.

        Parameters
        ----------
        entry : Entry
            The result.
        scopes : tuple of str, optional
            Of who asks for it: identical stages of several names share results.
        """
        if self.is_blank and not entry.epoch:
            return None
        asked = (entry.epoch, entry.stage, scopes, entry.key if self.has_keys else None)
        try:
            return self._memo[asked]
        except KeyError:
            found = self._judge(entry, scopes)
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[asked] = found
            return found

    def _judge(self, entry: Entry, scopes: tuple[str, ...]) -> Outdated | None:
        try:
            epoch = Epoch.of(entry.epoch)
        except ValueError:
            return Outdated("", Mark())
        wanted = [EVERYTHING, stage_scope(entry.stage), *scopes, *epoch.scopes]
        if self.has_keys:
            wanted += [key_scope(entry.key), _bucket(entry.key.hex())]
        if self._lost(epoch):
            return Outdated("", Mark())
        return self._newer(wanted, epoch)

    def marked(self, key: Key, encoded: bytes) -> Outdated | None:
        """Return which mark of a key an epoch does not know, a hard one first; None: it has none.

        Parameters
        ----------
        key : Key
            Of a result that a body got of another stage.
        encoded : bytes
            The epoch of what that body made.
        """
        if not (self.has_keys or self._has_gone):
            return None
        name = key.hex()
        scopes = [_KEY + name, _bucket(name), _GONE + name, _bucket(name, _GONE_BUCKET)]
        try:
            return self._newer(scopes, Epoch.of(encoded))
        except ValueError:
            return Outdated("", Mark())

    def _newer(self, wanted: list[str], epoch: Epoch) -> Outdated | None:
        softly = None
        knows_team = any(name.startswith(TEAM) for name in epoch.numbers)
        for log in (self.own, self.team):
            if log is None:
                continue
            number = epoch.numbers.get(log.name, 0)
            if log is self.own and knows_team:
                number = max(number, self.settled)
            for scope in wanted:
                mark = log.marks.get(scope)
                if mark is not None and mark.hard > number:
                    return Outdated(scope, mark)
                if mark is not None and mark.soft > number:
                    softly = softly or Outdated(scope, mark, is_soft=True)
        return softly

    def _lost(self, epoch: Epoch) -> bool:
        """Tell whether there may have been marks for a result that nobody knows any more."""
        teams = [name for name in epoch.numbers if name.startswith(TEAM)]
        if self.team is not None:
            # What was made before there was a team is concerned by marks of its first log too.
            return any(name != self.team.name for name in teams) or (
                not teams and self.joined not in ("", self.team.name)
            )
        owns = [name for name in epoch.numbers if name.startswith(OWN)]
        # What came from a team may know of the marks of other directories.
        return teams in ([], [UNHEARD]) and any(name != self.own.name for name in owns)


def to_bytes(document: Any) -> bytes:
    """Return marks in JSON, sealed: neither a disk nor a shelf looks at its bits."""
    import json

    body = json.dumps(document, separators=(",", ":"))
    return f"{xxh3_64_hexdigest(body.encode())}\n{body}".encode()


def from_bytes(sealed: bytes) -> Any:
    """Return what :func:`to_bytes` was given.

    Raises
    ------
    ValueError
        If a bit of it is another one.
    """
    import json

    seal, _, body = bytes(sealed).partition(b"\n")
    if xxh3_64_hexdigest(body).encode() != seal:
        raise ValueError("marks are damaged")
    return json.loads(body)


def log_fields(log: Log) -> list[Any]:
    """Return a log for :func:`to_bytes`."""
    return [log.name, log.number, {scope: list(mark) for scope, mark in log.marks.items()}]


def log_of(fields: Any) -> Log:
    """Return what :func:`log_fields` was given.

    Raises
    ------
    ValueError
        If it is not that.
    """
    try:
        name, number, marks = fields
        read = {
            str(scope): Mark(int(hard), int(soft), str(by), float(at))
            for scope, (hard, soft, by, at) in marks.items()
        }
        return Log(str(name), int(number), read)
    except (TypeError, AttributeError) as error:
        raise ValueError("these are no marks") from error
