"""Decides when the normal form of a code object need not be worked out again.

It is remembered in the process and in the context's memo, under the digest of the raw code.
"""

from __future__ import annotations

import marshal
import sys
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache import model
from stagecache.fingerprint.code.bytecode import Form, normal_form
from stagecache.fingerprint.code.fills import Fill
from stagecache.fingerprint.code.mentions import Mention

if TYPE_CHECKING:
    from types import CodeType

_KIND = "code"
_FIELD = "\x1f"
# A form is only as good as the interpreter whose bytecode it reads.
_SCHEMA = f"6 {sys.implementation.cache_tag} {sys.hexversion} ".encode()

_MOST_MET = 10_000

_known: dict[bytes, Form] = {}
_met: dict[str, Mention] = {}
"""What lines say: most functions mention what others do."""


def form_of(code: CodeType) -> Form:
    """Return the normal form of `code`, from memory where it was worked out before.

    Examples
    --------
    >>> form_of((lambda x: x + LIMIT).__code__).mentions[0].dotted
    'LIMIT'
    """
    try:
        # Version 2 writes no back references: those would depend on who else holds a constant.
        raw = marshal.dumps(code, 2)
    except ValueError:  # a constant that no compiler makes, put there by a tool
        return normal_form(code)
    key = xxh3_128_digest(_SCHEMA + raw)
    form = _known.get(key)
    if form is None:
        form = _known[key] = _recalled(key) or _remembered(key, normal_form(code))
    return form


def _recalled(key: bytes) -> Form | None:
    memo = model.memo.get()
    text = None if memo is None else memo.recall(_KIND, key)
    return None if text is None else unpacked(text)


def _remembered(key: bytes, form: Form) -> Form:
    memo = model.memo.get()
    if memo is not None:
        memo.remember(_KIND, key, packed(form))
    return form


def packed(form: Form) -> bytes:
    """Write a form as bytes that hold no code: whoever can change them can only cause reruns.

    Examples
    --------
    >>> form = form_of((lambda x: x + LIMIT).__code__)
    >>> unpacked(packed(form)) == form
    True
    """
    lines: list[tuple[str, ...]] = [("free", *form.free), ("told", *form.told)]
    lines += [("mention", *_words(mention)) for mention in form.mentions]
    lines += [
        ("fill", f"{fill.assigned:d}{fill.inside:d}{fill.named:d}", fill.item, *_words(fill.slot))
        for fill in form.fills
    ]
    lines += [("asked", text, *_words(mention)) for mention, text in form.asked]
    return form.digest + "\n".join(_FIELD.join(line) for line in lines).encode()


def unpacked(text: bytes) -> Form | None:
    """Read what :func:`packed` wrote; None if it is damaged."""
    free: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    mentions, fills, asked = [], [], []
    try:
        for line in text[16:].decode().split("\n"):
            sort, _, words = line.partition(_FIELD)
            if sort == "mention":
                mentions.append(_mention(words))
            elif sort == "fill":
                how, item, slot = words.split(_FIELD, 2)
                assigned, inside, named = (flag == "1" for flag in how)
                fills.append(Fill(_mention(slot), assigned, item, inside, named))
            elif sort == "asked":
                wanted, mention = words.split(_FIELD, 1)
                asked.append((_mention(mention), wanted))
            elif sort == "free":
                free = tuple(words.split(_FIELD)) if words else ()
            elif sort == "told":
                told = tuple(words.split(_FIELD)) if words else ()
            else:
                return None
    except ValueError:
        return None
    return Form(text[:16], tuple(mentions), tuple(fills), tuple(asked), free, told)


def _words(mention: Mention) -> tuple[str, ...]:
    return (mention.kind, str(int(mention.passing)), mention.name, *mention.attributes)


def _mention(words: str) -> Mention:
    found = _met.get(words)
    if found is None:
        kind: Any
        kind, passing, name, *attributes = words.split(_FIELD)
        if len(_met) >= _MOST_MET:
            _met.clear()
        found = _met[words] = Mention(kind, name, tuple(attributes), passing == "1")
    return found
