"""``inferometer cost true-up``: the ledger and a provider's bill, and what the one is wrong by."""

import csv
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from inferometer.errors import InferometerError, StateError
from inferometer.fleet.loader import load
from inferometer.settings import Settings
from inferometer_compose.bill.claims import Billed, claims
from inferometer_compose.bill.comparison import Comparison, compare
from inferometer_compose.bill.costs import Cost
from inferometer_compose.bill.files import files
from inferometer_compose.bill.focus import Charge, Reading, charges
from inferometer_compose.bill.table import opened
from inferometer_compose.commands.cost import draw
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.commands.recorded import ask
from inferometer_compose.screens import true_up as screens
from inferometer_exporters import bill_corrections, ledger_api
from inferometer_exporters.bill_corrections import Correction
from inferometer_exporters.ledger_api import DaysAnswer, date, device_day

_RATE: Final = re.compile(r"([A-Z]{3})=([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_TELL_EVERY: Final = 50_000
_TELL_AFTER_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said."""

    bills: Sequence[Path]
    config: Path | None
    cost: Cost
    rates: Sequence[str]
    api: str
    recorder: Path | None
    state: Path | None
    dry_run: bool
    json: bool
    csv: bool


def run(options: Options) -> int:
    """Compare, write what is corrected, and print; 1 where there is no day that both know.

    Raises:
        InferometerError: an option or the bill is wrong, or there is no ledger to compare it with.
    """
    reading = Reading(cost=options.cost, rates=rates(options.rates))
    fleet = None if options.config is None else load(options.config)
    answer = cast("DaysAnswer", ask(ledger_api.PATH, {}, ledger_api.answer, api=options.api, recorder=options.recorder))
    ledger = [device_day(day) for day in answer["days"]]
    if not ledger:
        raise StateError("nothing is entered into the ledger yet: it begins with the sidecar's first second")
    devices = {day.device: Billed(name=day.device, kind=day.kind, model=day.model) for day in ledger}
    region = Settings.from_env(os.environ).region
    wanted = claims(tuple(devices.values()), answer["host"], region, fleet)
    folder = None if options.dry_run else _folder(options, answer)
    compared = compare(_told(_charges(files(options.bills), reading)), wanted, ledger)
    written = None if folder is None or not compared.days else _write(folder, compared, options)
    if options.json:
        sys.stdout.write(json.dumps(screens.as_json(compared, options.bills, options.cost, written), indent=2) + "\n")
    elif options.csv:
        csv.writer(sys.stdout, lineterminator="\r\n").writerows(screens.rows(compared))
    else:
        draw(screens.lines(compared, written))
    if not compared.days:
        say(_unmatched(compared, answer["host"]))
        return FOUND_SOMETHING
    return 0


def rates(told: Sequence[str]) -> Mapping[str, Decimal]:
    """US dollars per unit of other currencies, from ``EUR=1.08``.

    Raises:
        InferometerError: a text is something else.
    """
    found: dict[str, Decimal] = {}
    for text in told:
        match = _RATE.fullmatch(text)
        if match is None or not Decimal(match[2]) or match[1] == "USD":
            raise InferometerError(f"--rate {text!r}: a currency and what one of it is worth is right: --rate EUR=1.08")
        found[match[1]] = Decimal(match[2])
    return found


def _folder(options: Options, answer: DaysAnswer) -> Path:
    """The sidecar's state folder, in which it looks for corrections."""
    folder = options.state or Path(answer["recorder"]).parent
    if not folder.is_dir():
        raise StateError(
            f"the sidecar's state folder {folder} is not here: run this on its host, name a folder with --state, "
            "or write nothing with --dry-run"
        )
    return folder


def _write(folder: Path, compared: Comparison, options: Options) -> Path:
    path = folder / bill_corrections.FILE_NAME
    new = [
        Correction(
            device=day.ledger.device,
            day=date(day.ledger.day),
            ledger=day.ledger.bill,
            billed=day.billed,
            bill=", ".join(bill.name for bill in options.bills),
            cost=options.cost.value,
        )
        for day in compared.days
    ]
    bill_corrections.write(path, bill_corrections.merged(bill_corrections.read(path), new))
    return path


def _charges(paths: Iterable[Path], reading: Reading) -> Iterator[Charge]:
    """Those of all files, one open at a time."""
    for path in paths:
        with opened(path) as table:
            yield from charges(table, reading)


def _told(found: Iterable[Charge]) -> Iterator[Charge]:
    """The same charges; says now and then how many there were, where somebody waits at a terminal."""
    began, shown = time.monotonic(), False
    for number, charge in enumerate(found, 1):
        yield charge
        if not number % _TELL_EVERY and sys.stderr.isatty() and time.monotonic() - began > _TELL_AFTER_SECONDS:
            shown = True
            sys.stderr.write(f"\r{number:,} charges read")
            sys.stderr.flush()
    if shown:
        sys.stderr.write("\r\x1b[K")


def _unmatched(compared: Comparison, host: str) -> str:
    if compared.partial:
        return (
            "nothing is corrected: of no day does the ledger know the time that was billed; it begins with the "
            "sidecar's first start, so come back with the bill of a whole day"
        )
    return (
        f"none of the {compared.charges} charges is for a device of this ledger (host {host or 'unknown'}): name the "
        "bill's resources in fleet.yaml, `devices: - {match: …, price: …, bill: {resources: [i-0123456789abcdef0]}}`, "
        "and give it with --config"
    )
