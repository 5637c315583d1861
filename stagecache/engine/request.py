"""Makes the key of a call: digest of (key schema, code fingerprint, argument fingerprints)."""

from __future__ import annotations

import os
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.engine.handing import hand_up
from stagecache.errors import FingerprintError, warn
from stagecache.file import File
from stagecache.fingerprint.anatomy import parts_of
from stagecache.fingerprint.code import (
    complete,
    describe_code,
    fingerprint_code,
    resolve_reference,
)
from stagecache.fingerprint.labels import label
from stagecache.fingerprint.reads.probes import probe_read
from stagecache.fingerprint.values import Fingerprint, Known, fingerprint
from stagecache.model import Argument, CodeManifest, CodePart, Digest, Key
from stagecache.node import Node, name_of, substitute
from stagecache.parameters import Parameters
from stagecache.plan import DEPENDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.model import Entry
    from stagecache.stage import Stage

SCHEMA = b"stagecache key 1"


class Request(NamedTuple):
    """One call of a stage with everything that identifies its result."""

    stage: Stage[..., Any]
    bound: dict[str, Any]
    """Parameter name -> value, or node."""
    code: Digest
    digests: tuple[Digest, ...]
    """Of the parameters that count, in their order."""
    key: Key
    node: str
    """Name for people."""
    probed: Any = None
    """What the stage's probe answered."""
    is_kept: bool = True
    """Whether a result may be kept: not if the probe failed."""
    known: Callable[[Node], Fingerprint] | None = None
    """Tells the fingerprint of a node in `bound`."""

    def arguments(self) -> tuple[Argument, ...]:
        """Return the arguments that count as a person would recognise them, without parts."""
        described = []
        for name, digest in zip(self.stage.counted, self.digests, strict=False):
            value = self.bound[name]
            text = name_of(value) if isinstance(value, Node) else label(value)
            described.append(Argument(name, digest, text, isinstance(value, File)))
        if self.stage.settings.depends is not None:
            described.append(Argument(DEPENDS, self.digests[-1], label(self.probed)))
        return tuple(described)

    def manifest(self) -> CodeManifest:
        """Return what the code fingerprint is made of."""
        return describe_stage(self.stage, self.code)

    def with_parts(self, argument: Argument, values: dict[str, Any] | None = None) -> Argument:
        """Return an argument with its parts, as far as they can be had.

        Parameters
        ----------
        argument : Argument
            One of :meth:`arguments`.
        values : dict, optional
            The arguments with every node replaced by its value, if that is at hand.
        """
        if argument.is_file or argument.name == DEPENDS:
            return argument
        value = self.bound[argument.name]
        if isinstance(value, Node):
            if values is None:
                return argument._replace(parts=None)
            value = values[argument.name]
        try:
            if self.known is not None:
                value = _with_stand_ins(value, self.known)
            return argument._replace(parts=parts_of(value))
        except Exception:  # noqa: BLE001 - users' code takes part in fingerprints; a job goes on
            return argument


def stage_code(stage: Stage[..., Any]) -> Digest:
    """Return what stands for the stage's code in its keys."""
    version = stage.settings.version
    if stage.settings.code == "version":
        text = f"code by version\0{stage.qualified_name}\0{version!r}"
        return Digest(xxh3_128_digest(text.encode()))
    digest = fingerprint_code(stage.fn)
    if version is None:
        return digest
    return Digest(xxh3_128_digest(b"versioned" + digest + version.encode()))


def describe_stage(stage: Stage[Any, Any], code: Digest) -> CodeManifest:
    """Return what the stage's code fingerprint `code` is made of, its declared version included."""
    settings = stage.settings
    described = (
        CodeManifest(code, ())
        if settings.code == "version"
        else describe_code(stage.fn)._replace(digest=code)
    )
    if settings.version is None:
        return described
    part = CodePart("version", "version", fingerprint(settings.version).digest, settings.version)
    return described._replace(parts=(*described.parts, part))


def make_key(code: Digest, digests: tuple[Digest, ...]) -> Key:
    """Return the key; parameter names are part of the code fingerprint."""
    return Key(xxh3_128_digest(SCHEMA + code + b"".join(digests)))


def make_request(
    stage: Stage[..., Any],
    bound: dict[str, Any],
    code: Digest,
    digests: tuple[Digest, ...],
    node: str,
    load: Callable[[Any], Any] = lambda value: value,
    known: Callable[[Node], Fingerprint] | None = None,
) -> Request:
    """Return the request of a call, asking the stage's probe if it has one.

    Parameters
    ----------
    stage, bound, code, digests, node
        As in :class:`Request`.
    load : callable, optional
        Replaces the nodes in an argument by their values, for the probe.
    known : callable, optional
        As in :class:`Request`.
    """
    asked = Request(stage, bound, code, digests, make_key(code, digests), node, known=known)
    probe = stage.settings.depends
    if probe is None:
        return asked
    wanted = Parameters(probe).names if isinstance(probe, FunctionType) else stage.counted
    arguments = {name: load(bound[name]) for name in wanted if name in bound}
    try:
        answer = probe(**arguments)
        digest = argument_digest(stage, DEPENDS, answer)
    except FingerprintError:
        raise
    except Exception as error:  # noqa: BLE001 - a source that cannot be reached, of any kind
        warn(
            f"The probe of `{stage.name}` failed ({type(error).__name__}: {error}), so nobody "
            "knows whether a kept result is still good. The stage runs, and its result is not "
            "kept. Check the source that the probe asks."
        )
        digests = (*digests, Digest(os.urandom(16)))
        return asked._replace(digests=digests, key=make_key(code, digests), is_kept=False)
    hand_up([probe_read(stage.qualified_name, arguments, digest)])
    digests = (*digests, digest)
    return asked._replace(digests=digests, key=make_key(code, digests), probed=answer)


def argument_digest(stage: Stage[..., Any], name: str, value: Any) -> Digest:
    """Return the fingerprint of an argument, with the code of the classes that it names.

    Raises
    ------
    FingerprintError
        Naming the argument, the stage, and the ways out.
    """
    try:
        found = fingerprint(value, name=name, is_input=True)
        return found.digest if not found.refs else complete(found)
    except FingerprintError as error:
        if error.where:
            raise
        raise FingerprintError(
            error.subject, error.problem, f"argument of {stage.name}", error.remedy
        ) from error.__cause__


def result_fingerprint(entry: Entry) -> Fingerprint:
    """Return the fingerprint of a kept result with the classes that it names, as they are now."""
    if not entry.refs:
        return Fingerprint(entry.result)
    return Fingerprint(entry.result, tuple(resolve_reference(name) for name in entry.refs))


def node_digest(
    stage: Stage[..., Any], name: str, value: Any, known: Callable[[Node], Fingerprint]
) -> Digest:
    """Return the fingerprint of an argument that holds nodes, from their results' fingerprints."""
    if isinstance(value, Node):
        found = known(value)
        return found.digest if not found.refs else complete(found)
    return argument_digest(stage, name, _with_stand_ins(value, known))


def _with_stand_ins(value: Any, known: Callable[[Node], Fingerprint]) -> Any:
    def stand_in(node: Node) -> Known:
        found = known(node)
        return Known(found.digest, found.refs)

    return substitute(value, stand_in)
