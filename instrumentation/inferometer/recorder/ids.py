"""Random ids from a generator of our own: ``random.seed(0)`` in a model's code must not repeat them."""

import os
import random


class Ids:
    """A private generator, seeded by the operating system; reseed it in a forked child."""

    __slots__ = ("_random", "bits")

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # noqa: S311 - ids, no secrets
        self.bits = self._random.getrandbits
        """``bits(n)`` is a random integer of n bits."""

    def reseed(self) -> None:
        """Part from the parent process's sequence."""
        self._random.seed(os.urandom(32))
