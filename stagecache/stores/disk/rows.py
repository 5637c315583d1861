"""Rows and headers from the words of the model and back, as JSON where SQL has no word for it."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from stagecache.model import (
    Argument,
    CodeManifest,
    CodePart,
    Digest,
    Entry,
    Key,
    Provenance,
    Read,
    RunRecord,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

COLUMNS = (
    "result, stage, code, codec, inline, blob, size, created, seconds, generation, extra, items, "
    "epoch"
)
"""What a lookup selects, in the order of :class:`Entry` without its key."""


_new = tuple.__new__
"""Makes a word of all its fields in a third of the time, where every microsecond counts."""
_NO_EXPIRY, _NO_PARTS, _NO_EPOCH, _OURS = (
    Entry._field_defaults[name] for name in Entry._fields[14:]
)
_KINDS = (bytes, str, bytes, str, float, float)
_BYTES = (bytes, type(None))


def entry_of(key: Key, row: Sequence[Any]) -> Entry:
    """Return the entry of a row of COLUMNS; nothing is decoded unless it has more than most.

    Raises
    ------
    ValueError, TypeError
        If it is damaged. SQLite looks at the types of columns when they are written only: one bit
        makes bytes of a text, and of a time a number far in the future.
    """
    result, stage, code, codec, inline, blob, _, created, seconds, _, extra, items, epoch = row
    kinds = (type(result), type(stage), type(code), type(codec), type(created), type(seconds))
    if kinds != _KINDS or type(inline) not in _BYTES or type(blob) not in _BYTES:
        raise TypeError("a column is of another type")
    if epoch is None:
        epoch = _NO_EPOCH
    elif type(epoch) is not bytes:
        raise TypeError("a column is of another type")
    if extra is None:
        return _new(Entry, (key, *row[:10], (), (), items, _NO_EXPIRY, _NO_PARTS, epoch, _OURS))
    reads, refs, expires, parts, is_foreign = _extra_of(_loads(extra))
    return _new(Entry, (key, *row[:10], reads, refs, items, expires, parts, epoch, is_foreign))


def placed(entry: Entry, inline: bytes | None, blob: Digest | None, size: int) -> Entry:
    """Return the entry with its encoded value, of `size` bytes, in itself or in a blob."""
    return _new(Entry, (*entry[:5], inline, blob, size, *entry[8:]))


def row_of(entry: Entry) -> tuple[Any, ...]:
    """Return the key and the columns of an entry."""
    (key, result, stage, code, codec, inline, blob, size, created, seconds, generation, reads,
     refs, items, expires, parts, epoch, is_foreign) = entry  # fmt: skip
    has_extra = reads or refs or expires is not None or parts or is_foreign
    extra = _dumps(_extra(entry)) if has_extra else None
    return (
        key, result, stage, code, codec, inline, blob, size, created, seconds, generation, extra,
        items, epoch or None,
    )  # fmt: skip


def provenance_text(provenance: Provenance) -> str:
    """Return a provenance without its key as JSON."""
    _, arguments, host, pid, python = provenance
    listed = _dumps([_argument(argument) for argument in arguments]) if arguments else "[]"
    return f"[{listed},{_origin_text(host, pid, python)}]"


@lru_cache(16)
def _origin_text(host: str, pid: int, python: str) -> str:
    return _dumps([host, pid, python])[1:-1]


def provenance_of(key: Key, text: str) -> Provenance:
    """Return what :func:`provenance_text` was made of."""
    return _provenance_from(key, _loads(text))


def manifest_text(manifest: CodeManifest) -> str:
    """Return a manifest without its digest as JSON."""
    return _dumps(
        {
            "parts": [[p.name, p.kind, p.digest.hex(), p.text] for p in manifest.parts],
            "unresolved": manifest.unresolved,
            "uncounted": manifest.uncounted,
        }
    )


def manifest_of(code: Digest, text: str) -> CodeManifest:
    """Return what :func:`manifest_text` was made of."""
    fields = _loads(text)
    return CodeManifest(
        code,
        tuple(
            CodePart(name, kind, Digest(bytes.fromhex(digest)), source)
            for name, kind, digest, source in fields["parts"]
        ),
        tuple(fields["unresolved"]),
        tuple(fields["uncounted"]),
    )


def run_text(run: RunRecord) -> str:
    """Return the record of a run as JSON."""
    return _dumps(run._asdict())


def run_of(text: str) -> RunRecord:
    """Return what :func:`run_text` was made of."""
    fields = _loads(text)
    fields["ran"], fields["failed"] = tuple(fields["ran"]), tuple(fields["failed"])
    return RunRecord(**fields)


def header_fields(entry: Entry, provenance: Provenance) -> dict[str, Any]:
    """Return all that a blob has to say to be found again by an index made from blobs."""
    return {
        "key": entry.key.hex(),
        "result": entry.result.hex(),
        "stage": entry.stage,
        "code": entry.code.hex(),
        "codec": entry.codec,
        "size": entry.size,
        "created": entry.created,
        "seconds": entry.seconds,
        "generation": entry.generation,
        "extra": _extra(entry),
        "items": None if entry.items is None else entry.items.hex(),
        "epoch": entry.epoch.hex(),
        "provenance": _provenance(provenance),
    }


def from_header(fields: Mapping[str, Any], blob: Digest) -> tuple[Entry, Provenance]:
    """Return what :func:`header_fields` was made of.

    Raises
    ------
    KeyError, ValueError, TypeError
        If the fields are not those of a header.
    """
    key = Key(bytes.fromhex(fields["key"]))
    reads, refs, expires, parts, is_foreign = _extra_of(fields["extra"])
    entry = Entry(
        key=key,
        result=Digest(bytes.fromhex(fields["result"])),
        stage=fields["stage"],
        code=Digest(bytes.fromhex(fields["code"])),
        codec=fields["codec"],
        inline=None,
        blob=blob,
        size=fields["size"],
        created=fields["created"],
        seconds=fields["seconds"],
        generation=fields["generation"],
        reads=reads,
        refs=refs,
        items=None if fields["items"] is None else bytes.fromhex(fields["items"]),
        expires=expires,
        parts=parts,
        epoch=bytes.fromhex(fields.get("epoch", "")),
        is_foreign=is_foreign,
    )
    return entry, _provenance_from(key, fields["provenance"])


def _extra(entry: Entry) -> list[Any]:
    listed = [[read.kind, read.name, read.digest.hex()] for read in entry.reads]
    extra: list[Any] = [listed, entry.refs, entry.expires]
    if entry.parts or entry.is_foreign:
        extra.append(b"".join(entry.parts).hex())
    if entry.is_foreign:
        extra.append(True)
    return extra


def _extra_of(
    fields: Any,
) -> tuple[tuple[Read, ...], tuple[str, ...], float | None, tuple[Key, ...], bool]:
    reads, refs, expires, *rest = fields
    keys = bytes.fromhex(rest[0]) if rest else b""
    return (
        tuple(Read(kind, name, Digest(bytes.fromhex(digest))) for kind, name, digest in reads),
        tuple(refs),
        expires,
        tuple(Key(keys[at : at + 16]) for at in range(0, len(keys), 16)),
        len(rest) > 1,
    )


def _provenance(provenance: Provenance) -> list[Any]:
    return [
        [_argument(argument) for argument in provenance.arguments],
        provenance.host,
        provenance.pid,
        provenance.python,
    ]


def _provenance_from(key: Key, parts: Any) -> Provenance:
    arguments, host, pid, python = parts
    return Provenance(
        key,
        tuple(_argument_from(*fields) for fields in arguments),
        host,
        pid,
        python,
    )


def _argument(argument: Argument) -> list[Any]:
    name, digest, label, is_file, parts = argument
    fields = [name, digest.hex(), label, is_file]
    if parts:
        fields += [[label for label, _ in parts], b"".join([part for _, part in parts]).hex()]
    return fields


def _argument_from(
    name: str, digest: str, label: str, is_file: bool, labels: Iterable[str] = (), digests: str = ""
) -> Argument:
    whole = bytes.fromhex(digests)
    parts = tuple((part, Digest(whole[16 * n : 16 * n + 16])) for n, part in enumerate(labels))
    return Argument(name, Digest(bytes.fromhex(digest)), label, is_file, parts)


@cache
def _encoder() -> Callable[[Any], str]:
    import json.encoder

    plain = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    # What `plain.encode` makes anew at each call, which takes longer than a small value does.
    text = json.encoder.encode_basestring_ascii
    chunks = make(None, plain.default, text, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


def _dumps(value: Any) -> str:
    return _encoder()(value)


def _loads(text: str) -> Any:
    import json

    return json.loads(text)
