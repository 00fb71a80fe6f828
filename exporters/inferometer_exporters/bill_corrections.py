"""What a bill showed the ledger to be wrong by: a file that `inferometer cost true-up` writes and the sidecar shows.

The ledger's counters stay as they are: the correction of a day is a series of its own.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from inferometer.catalog import devices
from inferometer.errors import StateError
from inferometer_exporters.source import Reading

FILE_NAME: Final = "bill-corrections.json"
FORMAT: Final = 1
SHOWN_DAYS: Final = 62
"""The newest days that are series: two months, of which one is billed."""
KEPT_DAYS: Final = 400
_MOST_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What ledger and bill say of one device and day; picodollars."""

    device: str
    day: str
    """UTC: 2026-10-01."""
    ledger: int
    billed: int
    bill: str
    """Name of the bill's file."""
    cost: str
    """Which of the bill's costs: effective, billed or list."""


def read(path: Path) -> tuple[Correction, ...]:
    """The corrections in a file, by day and device; none where there is no file.

    Raises:
        StateError: it is not as :func:`write` writes it.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise StateError(f"{path}: {path.stat().st_size} bytes are more than `inferometer cost true-up` writes")
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise StateError(f"{path}: format {document['format']}, {FORMAT} is right")
        return tuple(_checked(Correction(**entry)) for entry in document["corrections"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path}: not the corrections that `inferometer cost true-up` writes: {error}") from error


def _checked(correction: Correction) -> Correction:
    date.fromisoformat(correction.day)
    if not all(isinstance(value, int) for value in (correction.ledger, correction.billed)):
        raise ValueError(f"{correction.ledger!r} or {correction.billed!r} is no whole number")
    return correction


def merged(known: Iterable[Correction], new: Iterable[Correction]) -> tuple[Correction, ...]:
    """*known* with *new*, which stand in the place of those of the same device and day; the oldest days go."""
    by_key = {(one.day, one.device): one for one in (*known, *new)}
    if not by_key:
        return ()
    newest = datetime.fromisoformat(max(by_key)[0]).replace(tzinfo=UTC)
    oldest = (newest - timedelta(days=KEPT_DAYS)).date().isoformat()
    return tuple(by_key[key] for key in sorted(by_key) if key[0] > oldest)


def write(path: Path, corrections: Sequence[Correction]) -> None:
    """Write a file in one step: whoever reads it finds the old one or the new one.

    Raises:
        StateError: it cannot be written; the old one is as it was.
    """
    document = {"format": FORMAT, "corrections": [asdict(one) for one in corrections]}
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            part = Path(file.name)
            try:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}") from error


class BillCorrections:
    """A source of readings: the corrections in a file, read anew when it has changed.

    Args:
        folder: the sidecar's state folder; there need not be a file in it.
    """

    name = "bill"

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._read: tuple[int, int] | None = None
        self._corrections: tuple[Correction, ...] = ()

    def read(self) -> Iterable[Reading]:
        """What each device's newest days are wrong by, and by which factor over all of them.

        Raises:
            StateError: the file is not as `inferometer cost true-up` writes it.
        """
        stamp = self._stamp()
        if stamp != self._read:
            self._corrections = read(self._path)
            self._read = stamp
        return tuple(readings(self._corrections))

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino


def readings(corrections: Sequence[Correction]) -> Iterator[Reading]:
    """The series of corrections; of the newest days."""
    shown = sorted({one.day for one in corrections})[-SHOWN_DAYS:]
    ledger: dict[str, int] = {}
    billed: dict[str, int] = {}
    for one in corrections:
        if one.day in shown:
            ledger[one.device] = ledger.get(one.device, 0) + one.ledger
            billed[one.device] = billed.get(one.device, 0) + one.billed
            yield Reading(devices.BILL_CORRECTION, (one.device, one.day), one.billed - one.ledger)
    for device, total in ledger.items():
        if total:
            yield Reading(devices.BILL_RATIO, (device,), billed[device] / total)
