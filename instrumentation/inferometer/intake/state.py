"""The state file: named sections of bytes with a checksum, replaced as a whole. Its rename is the commit point."""

import hashlib
import json
import logging
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.errors import StateError

_log = logging.getLogger(__name__)

_HEAD: Final = struct.Struct("<8sQI")
"""magic, number of the pass, bytes of the index"""
_MAGIC: Final = b"IFMSTAT1"
_DIGEST: Final = 16

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

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_suffix(".next")

    def write(self, state: State, *, after_step: Step = nothing) -> None:
        """Replace the state; once this returns it survives a kill -9 and a loss of power.

        Raises:
            StateError: it cannot be written.
        """
        try:
            with self._next.open("wb") as file:
                for piece in _encoded(state):
                    file.write(piece)
                file.flush()
                after_step("written")
                os.fsync(file.fileno())
            after_step("synced")
            self._next.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise StateError(f"cannot write {self._path}: {error.strerror}") from error

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


def _encoded(state: State) -> list[bytes]:
    index = json.dumps({name: len(data) for name, data in state.sections.items()}).encode()
    pieces = [_HEAD.pack(_MAGIC, state.number, len(index)), index, *state.sections.values()]
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for piece in pieces:
        digest.update(piece)
    return [*pieces, digest.digest()]


def _decoded(data: bytes) -> State:
    body = data[:-_DIGEST]
    if len(body) < _HEAD.size:
        raise StateError(f"a state of {len(data)} bytes ends early")
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != data[-_DIGEST:]:
        raise StateError("the checksum does not match")
    magic, number, length = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise StateError(f"it begins with {magic!r}, {_MAGIC!r} is right")
    begin = _HEAD.size + length
    sections = {}
    for name, size in json.loads(body[_HEAD.size : begin]).items():
        sections[name] = body[begin : begin + size]
        begin += size
    return State(number, sections)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
