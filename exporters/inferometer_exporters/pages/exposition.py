"""Reads a page in Prometheus' text format. The one module that knows `prometheus_client`."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from inferometer.errors import SourceError


@dataclass(frozen=True, slots=True)
class Point:
    """One line of a page."""

    name: str
    """As it is written; a counter's may have got the suffix ``_total``, which the parser adds."""
    labels: Mapping[str, str]
    value: float
    help: str
    """Of its family; exporters state units there."""


def points(page: bytes) -> list[Point]:
    """All lines of a page.

    Raises:
        SourceError: it is not in the text format, or its last line is cut short.
    """
    if not page.endswith(b"\n"):
        # A number that is cut short is another number: half a page is none.
        raise SourceError("the page's last line has no end")
    try:
        families = list(text_string_to_metric_families(page.decode()))
    except (ValueError, IndexError, KeyError) as error:
        raise SourceError(f"the page is not in Prometheus' text format: {error}") from error
    return [
        Point(sample.name, sample.labels, sample.value, family.documentation)
        for family in families
        for sample in family.samples
    ]
