"""Attributes that most requests never have.

A slot is set in every request, which takes about 60 instructions and its share of a cache line; there were 17 of these.
They lie in a dictionary that is made for the first of them, so a request without any asks once, whether it is there.
"""

import threading
from typing import Any, Generic, Protocol, Self, TypeVar, overload

T = TypeVar("T")


class Making(Protocol):
    """What the owners of one process share."""

    making: threading.Lock
    """Held while something is made that several threads may want at once; another one after a fork."""


class Owner(Protocol):
    """What may have such attributes."""

    rare: dict[str, Any] | None
    """Those that were set, by name; None where none was."""

    @property
    def worker(self) -> Making:
        """What it shares with others."""


class Rare(Generic[T]):
    """An attribute that has its default until somebody sets it; as quick as a function call, so not for each byte."""

    __slots__ = ("_default", "_name")

    def __init__(self, default: T) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, of: type) -> Self: ...

    @overload
    def __get__(self, owner: Owner, of: type) -> T: ...

    def __get__(self, owner: Owner | None, of: type) -> Self | T:
        if owner is None:
            return self
        rare = owner.rare
        return self._default if rare is None else rare.get(self._name, self._default)

    def __set__(self, owner: Owner, value: T) -> None:
        if owner.rare is None:
            # Threads of one request may set their first one at once.
            with owner.worker.making:
                if owner.rare is None:
                    owner.rare = {}
        owner.rare[self._name] = value
