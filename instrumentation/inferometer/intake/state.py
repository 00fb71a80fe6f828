"""The state file: named sections of bytes with a checksum, replaced as a whole. Its rename is the commit point."""

import contextlib
import hashlib
import json
import logging
import operator
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from inferometer.errors import StateError

_log = logging.getLogger(__name__)

_HEAD: Final = struct.Struct("<8sQI")
"""magic, number of the pass, bytes of the index"""
_MAGIC: Final = b"IFMSTAT1"
_DIGEST: Final = 16
_ROOM: Final = 1 << 18
"""Bytes that a file has beyond twice its state, for states grow while a disk is full; one of four times gives back."""

Step = Callable[[str], None]
"""Called after each step of a pass, with its name; tests end the process there."""


def nothing(step: str) -> None:
    """The hook that does nothing."""


@dataclass(frozen=True, slots=True)
class State:
    """What one durable pass left behind."""

    number: int
    sections: Mapping[str, bytes]


class StateFile:
    """One state in one file of a folder that is ours alone.

    It is written over the file of the state before the last one, whose room on the disk it has already: a disk that is
    full of other things does not stop it, and counters go on being durable.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_suffix(".next")
        self._before = path.with_suffix(".before")

    def write(self, state: State, *, after_step: Step = nothing) -> None:
        """Replace the state; once this returns it survives a kill -9 and a loss of power.

        Raises:
            StateError: it cannot be written.
        """
        try:
            with self._next.open("r+b" if self._next.exists() else "wb") as file:
                length = sum(file.write(piece) for piece in _encoded(state))
                file.flush()
                _make_room(file, length)
                after_step("written")
                os.fsync(file.fileno())
            after_step("synced")
            self._swap()
            _sync_folder(self._path.parent)
        except OSError as error:
            raise StateError(f"cannot write {self._path}: {error.strerror}") from error

    def _swap(self) -> None:
        """Put the next file in place, and keep the one it replaces for the state after."""
        self._before.unlink(missing_ok=True)
        kept = False
        # Where there is none yet, or no second name for a file is possible, the next one is new.
        with contextlib.suppress(OSError):
            self._before.hardlink_to(self._path)
            kept = True
        self._next.replace(self._path)
        if kept:
            self._before.replace(self._next)

    def read(self) -> State | None:
        """The last state; None where there is none.

        A damaged file is set aside under a name that says so, and that name is logged.

        Raises:
            StateError: the file is there and cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read {self._path}: {error.strerror}") from error
        try:
            return _decoded(data)
        except StateError as error:
            aside = self.set_aside()
            _log.error("%s is damaged (%s): set aside as %s; counters begin anew", self._path, error, aside)
            return None

    def set_aside(self) -> Path:
        """Rename the file, so that a new one can take its place and somebody can look at the old."""
        for attempt in range(1000):
            aside = self._path.with_suffix(f".damaged-{attempt}")
            if not aside.exists():
                break
        self._path.replace(aside)
        return aside


def _make_room(file: IO[bytes], length: int) -> None:
    """Take blocks of the disk for a state that is longer than this one, of *length* bytes."""
    has, wanted = os.fstat(file.fileno()).st_size, 2 * length + _ROOM
    if has < wanted // 2 or has > 2 * wanted:
        file.truncate()
        # On a disk without so much room the state itself is all there is.
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, wanted)


def _encoded(state: State) -> list[bytes]:
    index = json.dumps({name: len(data) for name, data in state.sections.items()}).encode()
    pieces = [_HEAD.pack(_MAGIC, state.number, len(index)), index, *state.sections.values()]
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for piece in pieces:
        digest.update(piece)
    return [*pieces, digest.digest()]


def _decoded(data: bytes) -> State:
    """The state; what may stand behind it is of an older and longer one."""
    if len(data) < _HEAD.size:
        raise StateError(f"a state of {len(data)} bytes ends early")
    magic, number, length = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise StateError(f"it begins with {magic!r}, {_MAGIC!r} is right")
    begin = _HEAD.size + length
    try:
        sizes = {name: operator.index(size) for name, size in json.loads(data[_HEAD.size : begin]).items()}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise StateError(f"its index cannot be read: {error}") from error
    end = begin + sum(sizes.values())
    if min(sizes.values(), default=0) < 0 or len(data) < end + _DIGEST:
        raise StateError(f"a state of {len(data)} bytes ends early, {end + _DIGEST} are right")
    if hashlib.blake2b(data[:end], digest_size=_DIGEST).digest() != data[end : end + _DIGEST]:
        raise StateError("the checksum does not match")
    sections = {}
    for name, size in sizes.items():
        sections[name] = data[begin : begin + size]
        begin += size
    return State(number, sections)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
