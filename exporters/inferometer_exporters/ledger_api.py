"""What the API answers about the ledger's days.

``/api/ledger/days``
    `DaysAnswer`: what each device cost on each day, for longer than requests are kept.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inferometer.fleet.devices import DeviceKind
from inferometer_exporters.cost_api import Ask
from inferometer_exporters.recorder.ledger_days import DeviceDay, days
from inferometer_exporters.recorder.reading import Cursor, rows

PATH: Final = "/api/ledger/days"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DayAnswer(TypedDict):
    """One device on one day (UTC); ns and picodollars."""

    device: str
    kind: str
    model: str
    day: str
    span_ns: int
    unpriced_ns: int
    bill_picodollars: int


class DaysAnswer(TypedDict):
    """Every day of every device that is known, and where from."""

    recorder: str
    """Path of the recorder's file; the sidecar's state is in its folder."""
    host: str
    """Name of the host as a device; empty where it is not known."""
    days: list[DayAnswer]


def answer(cursor: Cursor) -> DaysAnswer:
    """The answer of a recorder."""
    found = days(cursor)
    paths = rows(cursor, "select path from duckdb_databases() where path is not null order by database_oid")
    hosts = [day.device for day in found if day.kind == DeviceKind.CPU.value]
    return {
        "recorder": str(paths[-1][0]) if paths else "",
        "host": hosts[-1] if hosts else "",
        "days": [
            {
                "device": day.device,
                "kind": day.kind,
                "model": day.model,
                "day": date(day.day),
                "span_ns": day.span,
                "unpriced_ns": day.unpriced,
                "bill_picodollars": day.bill,
            }
            for day in found
        ],
    }


def device_day(told: DayAnswer) -> DeviceDay:
    """A day as :func:`answer` told it."""
    return DeviceDay(
        device=told["device"],
        kind=told["kind"],
        model=told["model"],
        day=(datetime.fromisoformat(told["day"]).replace(tzinfo=UTC) - _EPOCH).days,
        span=told["span_ns"],
        unpriced=told["unpriced_ns"],
        bill=told["bill_picodollars"],
    )


def date(day: int) -> str:
    """A day since the epoch as 2026-10-01."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def routes(ask: Ask) -> list[Route]:
    """The routes of this module, for the sidecar's API.

    Args:
        ask: answers a question.
    """

    async def asked(_: Request) -> Response:
        return await ask(answer)

    return [Route(PATH, asked)]
