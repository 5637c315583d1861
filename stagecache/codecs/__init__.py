"""Values as bytes and back: which codec holds a value, and the proof that it lost nothing."""

from __future__ import annotations

from stagecache.codecs.base import Codec, Sections, codec, register_codec
from stagecache.codecs.choose import decode, encode

__all__ = ["Codec", "Sections", "codec", "decode", "encode", "register_codec"]
