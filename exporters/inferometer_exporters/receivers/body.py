"""Bodies that may be compressed: never larger than a limit, whatever they claim."""

import zlib
from typing import Final

from inferometer.errors import InferometerError, WireError

MAX_BODY: Final = 4 << 20
"""Bytes of a request, decompressed: what OpenTelemetry's Collector takes over gRPC unless told otherwise."""
_GZIP: Final = 31
"""zlib's word for: the largest window, with gzip's header."""
GZIP_MAGIC: Final = b"\x1f\x8b"
_MOST_MEMBERS: Final = 16
"""A file of gzip may have several members; of thousands of empty ones each would cost a copy of the rest."""


class TooLargeError(InferometerError):
    """A body is larger than is taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} bytes are taken, decompressed")


def gunzipped(data: bytes, limit: int = MAX_BODY) -> bytes:
    """What *data* holds; nothing beyond *limit* is ever decompressed.

    Raises:
        TooLargeError: it holds more than *limit* bytes.
        WireError: it is not gzip, or ends early.
    """
    out = bytearray()
    try:
        for _ in range(_MOST_MEMBERS):
            member = zlib.decompressobj(_GZIP)
            out += member.decompress(data, limit + 1 - len(out))
            if len(out) > limit:
                raise TooLargeError(limit)
            if not member.eof:
                raise WireError("the gzip ends early")
            data = member.unused_data
            if not data:
                return bytes(out)
    except zlib.error as error:
        raise WireError(f"no gzip: {error}") from error
    raise WireError(f"gzip of more than {_MOST_MEMBERS} members")
