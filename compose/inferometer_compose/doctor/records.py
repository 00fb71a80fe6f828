"""From a worker to the sidecar: the socket, the sidecar, who sends, what is refused or lost."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from inferometer.catalog import engines, telemetry
from inferometer.catalog.model import Series
from inferometer.doctor import destination
from inferometer.errors import InferometerError
from inferometer.settings import Settings
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, unseen, whole
from inferometer_exporters.pages.exposition import Point

MOST_SKEW_SECONDS: Final = 5.0
"""Beyond that a board's newest minute is empty, or of the future."""
_FAILING: Final = frozenset({"failed", "unsupported"})


def look(where: Where) -> Iterator[Link]:
    """The links in order; stops where the next ones cannot be seen."""
    yield _socket(where)
    try:
        page = where.page
    except InferometerError as error:
        cure = (
            "start it: inferometer sidecar, inferometer up or inferometer run -- COMMAND; --metrics names another page"
        )
        yield broken("sidecar", str(error), cure)
        return
    yield whole("sidecar", f"{where.metrics} answers, {len(page)} samples")
    yield _workers(page)
    yield from _hooks(page)
    yield from _lost(page)
    yield from _engines(page)


def _socket(where: Where) -> Link:
    settings, _ = Settings.read(where.environment)
    target = destination.look(settings)
    if target.kind == "election" and settings.metrics == urlsplit(where.metrics).netloc and _answers(where):
        # Of the demo, of `inferometer run`, of another user: its own workers were told where it is.
        says = f"{where.metrics} is of a sidecar with a socket of its own, as a demo's or `inferometer run`'s"
        return unseen("socket", f"{says}; other workers find it by INFEROMETER_SIDECAR")
    if target.problems:
        cure = "start a sidecar there, or set INFEROMETER_SIDECAR to the address of one"
        return broken("socket", "; ".join(target.problems), cure)
    return whole("socket", target.says)


def _answers(where: Where) -> bool:
    try:
        return any(one.name == telemetry.BUILD_INFO.name for one in where.page)
    except InferometerError:
        return False


def _workers(page: list[Point]) -> Link:
    sending = {one.labels["service"]: int(one.value) for one in _of(page, telemetry.WORKERS) if one.value > 0}
    if sending:
        return whole("workers", ", ".join(f"{name} ({count})" for name, count in sorted(sending.items())))
    cure = (
        "import inferometer.auto in the service, start it, ask it something; inferometer doctor --sdk --app module:app"
    )
    return broken("workers", "no worker sent a frame in the last 30 seconds", cure)


def _hooks(page: list[Point]) -> Iterator[Link]:
    failing = sorted(
        f"{one.labels['hook']} of {one.labels['service']} is {one.labels['status']}"
        for one in _of(page, telemetry.HOOK_STATE)
        if one.value and one.labels["status"] in _FAILING
    )
    if failing:
        yield broken("hooks", "; ".join(failing), "inferometer doctor --sdk --app module:app says why")


def _lost(page: list[Point]) -> Iterator[Link]:
    refused = [one for one in _of(page, telemetry.REFUSALS) if one.value > 0]
    if refused:
        said = ", ".join(f"{one.labels['port']}: {one.labels['reason']} ({one.value:.0f})" for one in refused)
        yield broken("refusals", f"the sidecar refused what came in: {said}", "docs/protocol.md says what each means")
    dropped = [one for one in _of(page, telemetry.DROPS) if one.value > 0]
    if dropped:
        said = ", ".join(f"{', '.join(one.labels.values())} ({one.value:.0f})" for one in dropped)
        yield broken("drops", f"records were dropped: {said}", "docs/reliability.md says which bound each is")


def _engines(page: list[Point]) -> Iterator[Link]:
    away = [one.labels for one in _of(page, engines.UP) if not one.value]
    if away:
        said = ", ".join(f"{labels['service']} at {labels['replica']}" for labels in away)
        yield broken("engine pages", f"pages that are not read: {said}", "inferometer engines check URL says why")
    renamed = [one for one in _of(page, engines.UNKNOWN) if one.value]
    if renamed:
        said = ", ".join(f"{one.labels['service']} at {one.labels['replica']} ({one.value:.0f})" for one in renamed)
        cure = "inferometer engines check URL lists them; an engine that was upgraded needs a newer inferometer"
        yield broken("engine names", f"engines have series that no mapping knows: {said}", cure)


def clocks(where: Where) -> Iterator[Link]:
    """Whether the sidecar's host and this one agree about the time."""
    try:
        theirs = _date(where.api)
    except InferometerError:
        return
    ahead = theirs - where.clock()
    if abs(ahead) > MOST_SKEW_SECONDS:
        says = f"the sidecar's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this host's"
        yield broken("clock", says, "let both follow a time server (chrony, systemd-timesyncd)")


def _date(url: str) -> float:
    answer = web.fetch(f"{url}/healthz")
    said = answer.headers.get("date")
    if said is None:
        raise InferometerError(f"{url} says no time")
    return parsedate_to_datetime(said).timestamp()


def _of(page: list[Point], entry: Series) -> list[Point]:
    return [one for one in page if one.name == entry.name]
