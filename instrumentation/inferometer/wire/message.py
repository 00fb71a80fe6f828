"""Messages on a connection between a worker and an Intake, over a Unix socket or TCP."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from inferometer.errors import WireError
from inferometer.wire.frame import LATEST_NS, MAX_FRAME_BYTES, Names, plain
from inferometer.wire.pod import Pod

_HEAD = struct.Struct("<4sHHI")
_MAGIC = b"IFMR"
_BITS = 8
_MAJOR_BITS = (1 << _BITS) - 1
_MAX_PID = 0xFFFF_FFFF
_ACK = struct.Struct("<Q")
MAJOR = 1
"""Of the protocol; who speaks another one is refused. It changes where a reader of before would read wrongly."""
MINOR = 1
"""Counts additions: types, sections, columns and fields that a reader of before passes by."""
VERSION = MINOR << 8 | MAJOR


class Type(IntEnum):
    """Type of a message."""

    HELLO = 1
    FRAME = 2
    ACK = 3
    REFUSE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First message of a worker on a connection."""

    worker_id: bytes
    pid: int
    service: str
    sdk_version: str
    boot_id: str
    """Of the kernel whose CLOCK_MONOTONIC the stamps are on."""
    host: str
    start_ns: int
    """CLOCK_MONOTONIC ns at which the process started."""
    names: Names = field(default_factory=Names)
    """All names that the worker gave out so far."""
    monotonic_ns: int = 0
    """CLOCK_MONOTONIC ns at which this was made; 0 from a worker of protocol 1.0."""
    pod: Pod = field(default_factory=Pod)
    """Where it runs, as far as its environment says."""
    token: str = field(default="", repr=False)
    """What an Intake behind a TCP port asks for; empty where it asks for nothing."""

    def to_bytes(self) -> bytes:
        """The payload of the message."""
        data: dict[str, object] = {
            "worker_id": self.worker_id.hex(),
            "pid": self.pid,
            "service": self.service,
            "sdk_version": self.sdk_version,
            "boot_id": self.boot_id,
            "host": self.host,
            "start_ns": self.start_ns,
            "names": self.names.to_json(),
            "monotonic_ns": self.monotonic_ns,
        }
        if self.pod:
            data["pod"] = self.pod.to_json()
        if self.token:
            data["token"] = self.token
        return json.dumps(data, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Hello":
        """Read the payload.

        Raises:
            WireError: it is not a HELLO.
        """
        try:
            data = json.loads(payload)
            worker_id = bytes.fromhex(data["worker_id"])
            hello = cls(
                worker_id=worker_id,
                pid=_number(data["pid"], _MAX_PID),
                service=plain(data["service"]),
                sdk_version=plain(data["sdk_version"]),
                boot_id=plain(data["boot_id"]),
                host=plain(data["host"]),
                start_ns=_number(data["start_ns"], LATEST_NS),
                names=Names.from_json(data["names"]),
                monotonic_ns=_number(data.get("monotonic_ns", 0), LATEST_NS),
                pod=Pod.from_json(data.get("pod", {})),
                token=str(data.get("token", "")),
            )
        except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
            raise WireError(f"HELLO is not as a worker writes it: {error}") from error
        if len(worker_id) != 16:  # noqa: PLR2004 - layout of the frame header
            raise WireError(f"HELLO names a worker by {len(worker_id)} bytes, 16 are right")
        return hello


def _number(value: object, most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:100]} is no number from 0 to {most}")
    return int(value)


def head(kind: Type, length: int) -> bytes:
    """What stands before a payload of *length* bytes."""
    return _HEAD.pack(_MAGIC, kind, VERSION, length)


def pack(kind: Type, payload: bytes = b"") -> bytes:
    """A whole message."""
    return head(kind, len(payload)) + payload


def ack(sequence: int) -> bytes:
    """The message that says: everything up to *sequence* is durable here."""
    return pack(Type.ACK, _ACK.pack(sequence))


def acked(payload: bytes) -> int:
    """Sequence of an ACK's payload.

    Raises:
        WireError: the payload is not 8 bytes.
    """
    if len(payload) != _ACK.size:
        raise WireError(f"ACK of {len(payload)} bytes, {_ACK.size} are right")
    (sequence,) = _ACK.unpack(payload)
    return int(sequence)


class Reader:
    """Cuts a byte stream into messages.

    Bounded: a message larger than ``MAX_FRAME_BYTES`` is refused before its bytes are stored.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a message that is not whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Messages completed by *data*, as (type, payload); unknown types are the caller's to ignore.

        Raises:
            WireError: the stream is not ours, or a message is too large.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            magic, kind, version, length = _HEAD.unpack_from(self._buffer)
            if magic != _MAGIC:
                raise WireError(f"a message begins with {bytes(magic)!r}, {_MAGIC!r} is right")
            if version & _MAJOR_BITS != MAJOR and kind != Type.REFUSE:
                # A refusal is read whatever the version: it says why.
                theirs = f"{version & _MAJOR_BITS}.{version >> _BITS}"
                raise WireError(f"a message of protocol {theirs}, {MAJOR}.x is right: worker and sidecar do not fit")
            if length > MAX_FRAME_BYTES:
                raise WireError(f"a message claims {length} bytes, at most {MAX_FRAME_BYTES} are taken")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            # A slice of the buffer would be a copy more; no view may be left when it shrinks.
            with memoryview(self._buffer) as view, view[_HEAD.size : end] as part:
                payload = bytes(part)
            del self._buffer[:end]
            yield kind, payload
