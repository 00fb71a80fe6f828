"""The whole chain, in the order in which a request's figures travel it."""

from collections.abc import Iterator
from typing import Final

from inferometer.errors import InferometerError
from inferometer_compose.doctor import (
    alerting,
    boards,
    engine_devices,
    engine_signals,
    prices,
    promises,
    records,
    scraping,
    traces,
)
from inferometer_compose.doctor.link import Link, State, Where, unseen

_STRETCHES: Final = (
    ("records", records.look),
    ("engine signals", engine_signals.look),
    ("engine devices", engine_devices.look),
    ("clock", records.clocks),
    ("prices", prices.look),
    ("scraping", scraping.look),
    ("promises", promises.look),
    ("alerting", alerting.look),
    ("traces", traces.look),
    ("boards", boards.look),
)


def walk(where: Where) -> Iterator[Link]:
    """Every link; what cannot be seen behind a broken one is left out."""
    for name, look in _STRETCHES:
        try:
            yield from look(where)
        except (InferometerError, KeyError, TypeError, ValueError) as error:
            # Somebody else listens where a part was looked for, or it is of another version.
            yield unseen(name, f"an answer that is not understood: {error!r}")


def first_broken(links: list[Link]) -> Link | None:
    """The one to mend first: what comes after it may be its consequence."""
    return next((link for link in links if link.state is State.BROKEN), None)
