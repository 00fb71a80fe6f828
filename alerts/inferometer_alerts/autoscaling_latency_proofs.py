"""Proof of the latencies that autoscalers read: of native histograms, of classic buckets, and of nobody's requests.

For ten minutes some requests are slow, then none is. Beside them other models, which must not count.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, REGION, SERVICE
from inferometer.catalog.model import Histogram
from inferometer.fleet.autoscaling_checks import Scaled
from inferometer.promql import Part
from inferometer_alerts.autoscaling_expected import OTHER, STEPS, expect
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_series import Recorded

_OLD: Final = (90, 10)
_NEW: Final = (100, 0)
"""Requests per sample that last up to a quarter and half of a second, or twice that."""
_OLD_US: Final = (20, 180)
_NEW_US: Final = (0, 200)
"""The same of another region, where more are slow."""


def readings(model: Scaled, histogram: Histogram, series: Recorded, q: Decimal) -> Iterator[Reading]:
    """Proof of the *q* quantile of a histogram, as a series records it."""

    def of(service: str, name: str, region: str, part: Part, le: str = "") -> str:
        matchers = (promql.equal(SERVICE, service), promql.equal(MODEL, name), promql.equal(REGION, region))
        text = promql.select(histogram, *matchers, part=part).text
        return f'{text[:-1]}, le="{le}"}}' if le else text

    ours = (model.service.name, model.model.name)
    others = ((ours[0], OTHER), (OTHER, ours[1]))
    # Of the seven rises in two minutes three are from before the change, a minute after it.
    mixed = [3 * before + 4 * after for before, after in zip(_OLD, _NEW, strict=True)]
    native = {of(*ours, region, Part.ITSELF): _natives() for region in ("eu", "us")}
    native |= {of(*ours, region, Part.COUNT): "0+100x80" for region in ("eu", "us")}
    native |= {of(*other, "eu", Part.ITSELF): f"{_native((0, 0))}+{_native((0, 100))}x80" for other in others}
    yield Reading(
        name=f"{series.name} of native histograms",
        series=native,
        expect=(
            expect(series, model, "10m", _exponential(q, _OLD)),
            expect(series, model, "11m", _exponential(q, mixed)),
            expect(series, model, "13m", _exponential(q, _NEW)),
        ),
    )
    classic = {
        of(*ours, region, Part.BUCKET, le): f"0+{old}x{STEPS} {old * STEPS + new}+{new}x39"
        for region, shares in (("eu", (_OLD, _NEW)), ("us", (_OLD_US, _NEW_US)))
        for le, old, new in zip(_CLASSIC, *map(_cumulative, shares), strict=True)
    }
    before, after = ([eu + us for eu, us in zip(*both, strict=True)] for both in ((_OLD, _OLD_US), (_NEW, _NEW_US)))
    between = [3 * old + 4 * new for old, new in zip(before, after, strict=True)]
    classic |= {of(*ours, region, Part.COUNT): "0+100x80" for region in ("eu", "us")}
    classic |= {of(*other, "eu", Part.BUCKET, le): "0+100x80" for other in others for le in ("4", "+Inf")}
    yield Reading(
        name=f"{series.name} of classic buckets",
        series=classic,
        expect=(
            expect(series, model, "10m", _linear(q, before)),
            expect(series, model, "11m", _linear(q, between)),
            expect(series, model, "13m", _linear(q, after)),
            Expect(series=series, at="30m"),
        ),
    )
    for what, silent in (
        ("native", {of(*ours, "eu", Part.ITSELF): f"{_native(_OLD)}x80"}),
        ("classic", {of(*ours, "eu", Part.BUCKET, le): "100x80" for le in _CLASSIC}),
    ):
        counts = {of(*ours, "eu", Part.COUNT): "0+100x40 4000x40"}
        counts |= {of(*other, "eu", Part.COUNT): "100x80" for other in others}
        yield Reading(
            name=f"{series.name} of nobody's requests, {what}",
            series={**silent, **counts},
            # Requests without a histogram of their times say nothing.
            expect=(
                Expect(series=series, at="9m"),
                expect(series, model, "13m", 0),
                Expect(series=series, at="30m"),
            ),
        )


_CLASSIC: Final = ("0.25", "0.5", "+Inf")


def _cumulative(counts: Sequence[int]) -> tuple[int, int, int]:
    first, second = counts
    return first, first + second, first + second


def _linear(q: Decimal, counts: Sequence[int]) -> Decimal:
    """A quantile in classic buckets, inside of which requests are spread evenly."""
    rank = q * sum(counts)
    for number, count in enumerate(counts):
        if rank <= count:
            return Decimal("0.25") * (number + rank / count)
        rank -= count
    raise ValueError(f"{q} is no quantile")


def _natives() -> str:
    middle = tuple(count * STEPS for count in _OLD)
    return f"{_native((0, 0))}+{_native(_OLD)}x{STEPS - 1} {_native(middle)}+{_native(_NEW)}x{STEPS}"


def _native(counts: Sequence[int]) -> str:
    """A native histogram of schema 0, whose bounds are powers of two; the first bucket ends at 2^-1."""
    buckets = " ".join(f"{count}" for count in counts)
    total = sum(counts)
    return f"{{{{schema:0 count:{total} sum:{total} offset:-1 buckets:[{buckets}]}}}}"


def _exponential(q: Decimal, counts: Sequence[int]) -> Decimal:
    """A quantile in native buckets up to 2^-1, 2^0 and so on, inside of which they are spread evenly by exponent."""
    rank = q * sum(counts)
    for exponent, count in enumerate(counts):
        if rank <= count:
            return Decimal(2) ** (exponent - 2 + rank / count)
        rank -= count
    raise ValueError(f"{q} is no quantile")
