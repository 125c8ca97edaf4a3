"""Bodies as they come over the wire, unpacked and capped on both sides."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from deepeyes_env.search.fetch.error import FetchError, FetchFault

ACCEPTED_ENCODING = "gzip"
"""What to ask for: `zlib` unpacks it in pieces of any size, so that no bomb goes off inside."""

_GZIP_ONLY = 31
"""zlib's number for gzip headers with the largest window."""


def unpack(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """Read a body to its end.

    Args:
        chunks: The body as it came.
        encoding: The `Content-Encoding` header; empty for none.
        limit: Most bytes, before and after unpacking.

    Raises:
        FetchError: `TOO_LARGE`, or `BROKEN` if it is packed otherwise than asked for or incompletely.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _joined(chunks, limit)
        case "gzip" | "x-gzip":
            return _gunzipped(chunks, limit)
    raise FetchError(FetchFault.BROKEN, f"the body is encoded as {encoding[:40]!r}, which was not asked for")


def _joined(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _gunzipped(chunks: Iterable[bytes], limit: int) -> bytes:
    packed, body = 0, bytearray()
    unpacker = zlib.decompressobj(_GZIP_ONLY)
    try:
        for chunk in chunks:
            packed += len(chunk)
            body += unpacker.decompress(chunk, limit - len(body) + 1)
            if max(packed, len(body)) > limit:
                raise _too_large(limit)
    except zlib.error as error:
        raise FetchError(FetchFault.BROKEN, "the body is no gzip, though it says so") from error
    if not unpacker.eof:
        raise FetchError(FetchFault.BROKEN, "the packed body ends too early")
    return bytes(body)


def _too_large(limit: int) -> FetchError:
    return FetchError(FetchFault.TOO_LARGE, f"the body exceeds {limit} bytes")
