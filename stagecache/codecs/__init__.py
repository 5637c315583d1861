"""Values as bytes and back: which codec holds a value, and the proof that it lost nothing."""

from __future__ import annotations

from stagecache.codecs.base import Codec, Sections, codec, register_codec
from stagecache.codecs.choose import decode, encode, is_safe

__all__ = ["Codec", "Sections", "codec", "decode", "encode", "is_safe", "register_codec"]
