"""Integers as protobuf writes them: seven bits a byte, the lowest first."""

from typing import Final

_LOW: Final = 127
_MORE: Final = 128
_TWO: Final = 1 << 14
"""The first number that takes more than two bytes."""
_MASK: Final = (1 << 64) - 1
_BYTES: Final = tuple(bytes((n,)) for n in range(256))


def varint(number: int) -> bytes:
    """A number of 64 bits; a negative one as its two's complement, ten bytes long."""
    if 0 <= number <= _LOW:
        return _BYTES[number]
    if 0 <= number < _TWO:
        return _BYTES[number & _LOW | _MORE] + _BYTES[number >> 7]
    number &= _MASK
    out = bytearray()
    while number > _LOW:
        out.append(number & _LOW | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """A number of any sign that is small in size: 0, -1, 1, -2 … as 0, 1, 2, 3 …."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def part(tag: bytes, body: bytes) -> bytes:
    """A field of bytes: tag, length, body."""
    return tag + varint(len(body)) + body
