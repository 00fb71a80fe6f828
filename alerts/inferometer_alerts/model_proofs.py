"""Proof of what is recorded of models: rates, quantiles and means of the last five minutes, of everything and nothing.

Three models, two of them of one service and two of one name, each in two regions. For half an hour requests are slow;
then they are fast. Five minutes later only fast ones may count; four minutes later, what is left of the slow ones.
A fourth model gets no requests: it has no quantile, rather than NaN. Of a fifth nobody tells sums, as of Ray's engines:
it has no means.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, OUTCOME, REGION, SERVICE, STAGE, VERSION
from inferometer.catalog.model import Histogram, Label
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS, STAGE_DURATION, TIME_TO_FIRST_CHUNK
from inferometer.catalog.stages import Outcome, Stage
from inferometer.promql import Family, Part
from inferometer_alerts import recorded_models
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_labels import QUANTILE
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.samples import Phase, counter

_TO: Final = Decimal("0.0001")
_STEPS: Final = 120
"""Samples before the change; four a minute."""
_STEP_SECONDS: Final = 15
_PER_WINDOW: Final = 19
"""Rises between the twenty samples of five minutes."""
_OLD_LEFT: Final = 3
"""Of those, before the change: four minutes after it."""
_FIRST_EXPONENT: Final = -5
_NEW: Final = (800, 100, 80, 20)
"""Requests per sample that last up to 1/16, 1/8, 1/4 and 1/2 of a second: buckets between powers of two."""
_OLD: Final = (0, 100, 100, 800)
_SHARES: Final = {"eu": 1, "us": 3}
"""Two regions, of which the rules make one."""
_LATER: Final = ("35m", 0), ("34m", _OLD_LEFT)
"""When it is looked at, and how many rises of the window are from before the change."""


@dataclass(frozen=True, slots=True)
class _Served:
    service: str
    model: str
    times: int
    """How many times as many requests as the first."""

    @property
    def labels(self) -> dict[Label, str]:
        return {SERVICE: self.service, MODEL: self.model, VERSION: "v1"}


_MODELS: Final = (_Served("embedder", "minilm", 1), _Served("embedder", "other", 2), _Served("reranker", "minilm", 4))
_IDLE: Final = _Served("reranker", "idle", 0)
_WITHOUT_SUMS: Final = _Served("flowers", "iris", 1)
_STAGES: Final = {Stage.QUEUE: Decimal("0.25"), Stage.EXECUTE: Decimal("0.75")}
"""Seconds per request; before the change twice as many requests, so that a window of one half of it shows."""


def readings() -> Iterator[Reading]:
    """Proof of every rule of the file."""
    yield Reading(name="requests of models", series=_requests(), expect=tuple(_rates()))
    for histogram, series in (
        (REQUEST_DURATION, recorded_models.MODEL_DURATION),
        (TIME_TO_FIRST_CHUNK, recorded_models.MODEL_FIRST_CHUNK),
    ):
        expect = tuple(_quantiles(series))
        yield Reading(name=f"quantiles of {histogram.name}", series=_histograms(histogram), expect=expect)
    yield Reading(name="stages of models", series=_stages(), expect=tuple(_means()))


def _series(family: Family, labels: Mapping[Label, str], part: Part = Part.ITSELF) -> str:
    return promql.select(family, *(promql.equal(label, value) for label, value in labels.items()), part=part).text


def _changing(old: Decimal, new: Decimal) -> str:
    return counter([Phase(_STEPS, old), Phase(_STEPS, new)])


def _requests() -> dict[str, str]:
    """One request in a sample before, three after it, per model of one time and region of one share."""
    return {
        _series(REQUESTS, {**served.labels, REGION: region, OUTCOME: outcome.label}): _changing(
            Decimal(served.times * share), Decimal(3 * served.times * share)
        )
        for served in _MODELS
        for region, share in _SHARES.items()
        for outcome in (Outcome.OK, Outcome.TIMEOUT)
    }


def _rates() -> Iterator[Expect]:
    for at, old in _LATER:
        rises = old + 3 * (_PER_WINDOW - old)
        yield Expect(
            series=recorded_models.MODEL_REQUESTS,
            at=at,
            to=_TO,
            elements=tuple(
                (
                    {**_named(served), OUTCOME.name: outcome.label},
                    _rounded(Decimal(rises * served.times * _regions()) / (_PER_WINDOW * _STEP_SECONDS)),
                )
                for served in _MODELS
                for outcome in (Outcome.OK, Outcome.TIMEOUT)
            ),
        )


def _regions() -> int:
    return sum(_SHARES.values())


def _named(served: _Served) -> dict[str, str]:
    return {label.name: value for label, value in served.labels.items()}


def _rounded(value: Decimal) -> Decimal:
    return (value / _TO + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * _TO


def _histograms(histogram: Histogram) -> dict[str, str]:
    series = {
        _series(histogram, {**served.labels, REGION: region}): _native(served.times * share)
        for served in _MODELS
        for region, share in _SHARES.items()
    }
    return {**series, _series(histogram, {**_IDLE.labels, REGION: "eu"}): f"{{{{schema:0}}}}x{2 * _STEPS}"}


def _native(times: int) -> str:
    """Native histograms of schema 0, whose bounds are powers of two."""

    def shown(counts: Sequence[int]) -> str:
        buckets = " ".join(f"{count * times}" for count in counts)
        return f"{{{{schema:0 count:{sum(counts) * times} sum:{sum(counts) * times} offset:-4 buckets:[{buckets}]}}}}"

    middle = [_STEPS * count for count in _OLD]
    return f"{shown((0, 0, 0, 0))}+{shown(_OLD)}x{_STEPS - 1} {shown(middle)}+{shown(_NEW)}x{_STEPS}"


def _quantiles(series: Recorded) -> Iterator[Expect]:
    for at, old in _LATER:
        counts = [old * before + (_PER_WINDOW - old) * after for before, after in zip(_OLD, _NEW, strict=True)]
        yield Expect(
            series=series,
            at=at,
            to=_TO,
            elements=tuple(
                ({**_named(served), QUANTILE.name: value}, _rounded(_quantile(Decimal(value), counts)))
                for served in _MODELS
                for value in QUANTILE.values
            ),
        )


def _quantile(q: Decimal, counts: Sequence[int]) -> Decimal:
    """Seconds below which a share lies; inside a bucket from 2^n to 2^(n+1) they are spread evenly by exponent."""
    rank = q * sum(counts)
    for exponent, count in enumerate(counts, start=_FIRST_EXPONENT):
        if rank <= count:
            return Decimal(2) ** (exponent + rank / count)
        rank -= count
    raise ValueError(f"{q} is no quantile")


def _stages() -> dict[str, str]:
    ended = {
        _series(REQUEST_DURATION, {**served.labels, REGION: region}, Part.COUNT): _changing(
            Decimal(2 * served.times * share), Decimal(served.times * share)
        )
        for served in _MODELS
        for region, share in _SHARES.items()
    }
    spent = {
        _series(STAGE_DURATION, {**served.labels, REGION: region, STAGE: stage.label}, Part.SUM): _changing(
            2 * seconds * served.times**2 * share, seconds * served.times**2 * share
        )
        for served in _MODELS
        for region, share in _SHARES.items()
        for stage, seconds in _STAGES.items()
    }
    nothing = f"0x{2 * _STEPS}"
    idle = {
        _series(REQUEST_DURATION, {**_IDLE.labels, REGION: "eu"}, Part.COUNT): nothing,
        _series(STAGE_DURATION, {**_IDLE.labels, REGION: "eu", STAGE: Stage.QUEUE.label}, Part.SUM): nothing,
    }
    unknown = {
        _series(REQUEST_DURATION, _WITHOUT_SUMS.labels, Part.COUNT): _changing(Decimal(2), Decimal(1)),
        _series(STAGE_DURATION, {**_WITHOUT_SUMS.labels, STAGE: Stage.QUEUE.label}, Part.SUM): f"NaN+0x{2 * _STEPS}",
    }
    return {**ended, **spent, **idle, **unknown}


def _means() -> Iterator[Expect]:
    for at, _ in _LATER:
        yield Expect(
            series=recorded_models.MODEL_STAGE_MEAN,
            at=at,
            to=_TO,
            elements=tuple(
                (
                    {SERVICE.name: served.service, MODEL.name: served.model, STAGE.name: stage.label},
                    _rounded(seconds * served.times),
                )
                for served in _MODELS
                for stage, seconds in _STAGES.items()
            ),
        )
