"""From a scraper's headers to a page: which format, compressed or not, and what that tells the series."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from inferometer.aggregate.protobuf import ProtobufRenderer
from inferometer.aggregate.sample import Snapshot
from inferometer.aggregate.text import TextRenderer

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF: Final = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
_GZIP_LEVEL: Final = 1
"""Pages go over a loopback or a rack: time is dearer than bytes."""


class Renderer(Protocol):
    """Makes a page of a snapshot."""

    def render(self, snapshot: Snapshot) -> bytes:
        """The page's bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a scrape."""

    body: bytes
    content_type: str
    content_encoding: str
    """``gzip`` or empty."""
    snapshot: Snapshot

    def fetched(self) -> None:
        """The scraper has all bytes: the zeros of new series were seen, and their values may follow."""
        for family in self.snapshot.families:
            for sample in family.samples:
                if sample.birth is not None:
                    sample.birth.fetched = True


class Exposition:
    """Serves the newest snapshot in whatever format the scraper asks for; no lock is held while it renders.

    Args:
        snapshot: gives the snapshot to show.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._renderers: dict[str, Renderer] = {
            TEXT: TextRenderer(openmetrics=False),
            OPENMETRICS: TextRenderer(openmetrics=True),
            PROTOBUF: ProtobufRenderer(),
        }

    def respond(self, accept: str = "", accept_encoding: str = "") -> Page:
        """The page for these request headers; call `Page.fetched` once it is sent."""
        snapshot = self._snapshot()
        content_type = negotiate(accept)
        body = self._renderers[content_type].render(snapshot)
        if "gzip" not in [part.split(";")[0].strip() for part in accept_encoding.lower().split(",")]:
            return Page(body, content_type, "", snapshot)
        return Page(gzip.compress(body, _GZIP_LEVEL, mtime=0), content_type, "gzip", snapshot)


def negotiate(accept: str) -> str:
    """The content type that an ``Accept`` header likes best; text where it likes none of ours."""
    best, best_quality = TEXT, 0.0
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        given = dict(p.split("=", 1) for p in parameters if "=" in p)
        offered = _offered(media, given)
        try:
            quality = float(given.get("q", "1"))
        except ValueError:
            continue
        if offered is not None and quality > best_quality:
            best, best_quality = offered, quality
    return best


def _offered(media: str, given: dict[str, str]) -> str | None:
    if media == "application/vnd.google.protobuf":
        right = given.get("proto") == "io.prometheus.client.metricfamily" and given.get("encoding") == "delimited"
        return PROTOBUF if right else None
    if media == "application/openmetrics-text":
        return OPENMETRICS if given.get("version", "1.0.0") in ("1.0.0", "0.0.1") else None
    if media == "text/plain":
        return TEXT if given.get("version", "0.0.4") == "0.0.4" else None
    return TEXT if media in ("*/*", "text/*") else None
