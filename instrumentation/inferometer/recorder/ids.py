"""Random ids from a generator of our own: ``random.seed(0)`` in a model's code must not repeat them."""

import os
import random
import struct
from collections.abc import Callable
from itertools import chain, repeat
from typing import Final

_OF_REQUEST: Final = struct.Struct("<3Q")
_AT_ONCE: Final = 64 * _OF_REQUEST.size
"""Bytes that are drawn at once: ids one by one cost a request ten times as much."""


class Ids:
    """A private generator, seeded by the operating system; reseed it in a forked child."""

    __slots__ = ("_random", "bits", "of_request")

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # noqa: S311 - ids, no secrets
        self.bits = self._random.getrandbits
        """``bits(n)`` is a random integer of n bits."""
        self.of_request: Callable[[], tuple[int, int, int]] = self._drawn()
        """Span id, trace id high and low; from any thread."""

    def _drawn(self) -> Callable[[], tuple[int, int, int]]:
        # C throughout, so that no other thread comes in between.
        drawn = map(int.to_bytes, map(self.bits, repeat(8 * _AT_ONCE)), repeat(_AT_ONCE))
        return chain.from_iterable(map(_OF_REQUEST.iter_unpack, drawn)).__next__

    def reseed(self) -> None:
        """Part from the parent process's sequence."""
        self._random.seed(os.urandom(32))
        self.of_request = self._drawn()
