"""What is said of two sides whose difference is known."""

from dataclasses import replace

import numpy as np
import pytest

from inferometer_exporters.comparison.figures import Figure
from inferometer_exporters.comparison.lines import ERRORS, Found, Line, Verdict
from inferometer_exporters.comparison.verdicts import compared, judged

SHOWN = {Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHT}


def line(found, measure, figure):
    return next(one for one in found.lines if (one.measure, one.figure) == (measure, figure))


def test_ten_per_cent_more_in_one_stage_is_found_there_and_its_interval_holds_the_truth(make, random):
    pair = make.pair(make.traffic(random, 20_000), make.traffic(random, 20_000, slower=1.1))

    (found,) = compared([pair], paired=False, least=0.05)

    for figure in ("mean", "p50", "p90", "p95", "p99"):
        execute = line(found, "execute", figure)
        assert execute.verdict is Verdict.WORSE, figure
        assert execute.low < 0.1 < execute.high
    assert line(found, "cost", "per_request").verdict is Verdict.WORSE
    assert line(found, "queue", "p50").verdict not in SHOWN
    assert line(found, "errors", "ratio").verdict not in SHOWN
    assert found.verdict is Verdict.WORSE


def test_what_became_faster_is_better(make, random):
    pair = make.pair(make.traffic(random, 5_000), make.traffic(random, 5_000, slower=0.5))

    (found,) = compared([pair], paired=False, least=0.05)

    assert line(found, "execute", "p50").verdict is Verdict.BETTER
    assert found.verdict is Verdict.BETTER


def test_the_same_requests_are_the_same(make, random):
    side = make.traffic(random, 50_000)

    (found,) = compared([make.pair(side, side)], paired=False, least=0.05)

    assert line(found, "whole", "p50").verdict is Verdict.SAME
    assert line(found, "whole", "p50").change == 0
    assert found.verdict in {Verdict.SAME, Verdict.NOT_SHOWN}


def test_failures_are_told_in_points_and_only_with_enough_of_them(make, random):
    n = 5_000
    execute = np.exp(16 + 0.4 * random.standard_normal(n))
    few, many = (make.side({"execute": execute}, failed=random.random(n) < share) for share in (0.0002, 0.05))
    none = make.side({"execute": execute})

    errors = line(compared([make.pair(few, many)], paired=False, least=0.05)[0], "errors", "ratio")
    unsaid = line(compared([make.pair(none, few)], paired=False, least=0.05)[0], "errors", "ratio")

    assert errors.verdict is Verdict.WORSE
    assert errors.low < 0.05 < errors.high + 0.01
    assert (unsaid.verdict, unsaid.change) == (Verdict.NOT_SHOWN, None)


def test_a_quantile_with_too_few_requests_beyond_it_says_how_many_are_needed(make, random):
    pair = make.pair(make.traffic(random, 1_999), make.traffic(random, 30_000))

    (found,) = compared([pair], paired=False, least=0.05)

    assert (line(found, "whole", "p99").verdict, line(found, "whole", "p99").needed) == (Verdict.TOO_FEW, 2_000)
    assert (line(found, "whole", "p99.9").verdict, line(found, "whole", "p99.9").needed) == (Verdict.TOO_FEW, 20_000)
    assert line(found, "whole", "p95").needed == 0
    assert line(found, "whole", "p99").before is not None, "the figure is shown, it is only not judged"


def test_too_few_requests_at_all_are_no_verdict(make, random):
    pair = make.pair(make.traffic(random, 150), make.traffic(random, 150, slower=3.0))

    (found,) = compared([pair], paired=False, least=0.05)

    assert found.verdict is Verdict.TOO_FEW
    assert {one.verdict for one in found.lines} == {Verdict.TOO_FEW}


@pytest.mark.broad
def test_the_same_seed_gives_the_same_answer_and_another_one_nearly(make, random):
    pair = make.pair(make.traffic(random, 3_000), make.traffic(random, 3_000))

    first, again, other = (compared([pair], paired=False, least=0.05, seed=seed)[0] for seed in (1, 1, 2))

    assert first == again
    assert line(first, "whole", "p50").high != line(other, "whole", "p50").high
    assert line(first, "whole", "p50").high == pytest.approx(line(other, "whole", "p50").high, abs=0.05)


def test_sides_of_the_same_time_share_what_befell_both(make):
    random = np.random.default_rng(3)
    n = 20_000
    moments = np.sort(random.uniform(0, 1, n))
    incident = np.where((moments > 0.5) & (moments < 0.6), 8.0, 1.0)
    sides = [
        make.side({"execute": np.exp(16 + 0.3 * random.standard_normal(n)) * incident}, moments=moments)
        for _ in range(2)
    ]

    together, apart = (
        line(compared([make.pair(*sides)], paired=paired, least=0.05)[0], "whole", "mean") for paired in (True, False)
    )

    assert together.high - together.low < (apart.high - apart.low) / 4


@pytest.mark.parametrize(
    ("difference", "half", "verdict"),
    [
        (0.11, 0.04, Verdict.WORSE),
        (-0.11, 0.04, Verdict.BETTER),
        (0.03, 0.02, Verdict.SLIGHT),
        (0.01, 0.02, Verdict.SAME),
        (0.03, 0.04, Verdict.NOT_SHOWN),
        (float("nan"), 0.04, Verdict.NOT_SHOWN),
        (0.5, float("nan"), Verdict.NOT_SHOWN),
    ],
)
def test_a_difference_and_its_interval_decide(difference, half, verdict):
    figure = Figure(0, "whole", "p50", 1.0, 1.0, 0)

    assert judged(figure, difference, half, 0.05).verdict is verdict


def test_nothing_to_compare_is_nothing_found():
    assert compared([], paired=False, least=0.05) == []


@pytest.mark.parametrize(
    ("verdicts", "in_all"),
    [
        ([Verdict.SAME, Verdict.WORSE, Verdict.BETTER], Verdict.WORSE),
        ([Verdict.SAME, Verdict.BETTER], Verdict.BETTER),
        ([Verdict.SAME, Verdict.SLIGHT], Verdict.SLIGHT),
        ([Verdict.SAME, Verdict.TOO_FEW], Verdict.SAME),
        ([Verdict.SAME, Verdict.NOT_SHOWN], Verdict.NOT_SHOWN),
        ([Verdict.TOO_FEW, Verdict.TOO_FEW], Verdict.TOO_FEW),
    ],
)
def test_what_is_said_of_a_model_follows_from_its_lines(verdicts, in_all):
    line = Line(
        measure="whole", figure="p50", before=1.0, after=1.0, change=None, low=None, high=None, needed=0,
        verdict=Verdict.SAME,
    )  # fmt: skip
    lines = tuple(replace(line, verdict=one) for one in verdicts)

    assert Found(service="svc", model="m", requests=(1, 1), lines=lines).verdict is in_all


def test_a_stage_is_worse_only_where_the_whole_request_could_tell(make, random):
    """Reading the body takes twice as long, 60 microseconds more; the model, most of the request, half as long."""
    queue, run = (np.exp(level + 0.3 * random.standard_normal(5_000)) for level in (11, 18))
    pair = make.pair(
        make.side({"network": queue, "execute": run}), make.side({"network": 2 * queue, "execute": run / 2})
    )

    (found,) = compared([pair], paired=False, least=0.05)

    assert line(found, "network", "p50").verdict is Verdict.SLIGHT
    assert line(found, "network", "p50").low > 0.9
    assert line(found, "execute", "p50").verdict is Verdict.BETTER
    assert found.verdict is Verdict.BETTER


@pytest.mark.parametrize(
    ("whole", "stage", "in_all"),
    [
        (Verdict.BETTER, Verdict.WORSE, Verdict.BETTER),
        (Verdict.WORSE, Verdict.BETTER, Verdict.WORSE),
        (Verdict.NOT_SHOWN, Verdict.WORSE, Verdict.WORSE),
        (Verdict.SLIGHT, Verdict.BETTER, Verdict.BETTER),
    ],
)
def test_what_callers_feel_comes_before_what_a_stage_says(whole, stage, in_all):
    line = Line(
        measure="whole", figure="p50", before=1.0, after=1.0, change=None, low=None, high=None, needed=0, verdict=whole,
    )  # fmt: skip
    lines = (line, replace(line, measure="execute", verdict=stage))

    assert Found(service="svc", model="m", requests=(1, 1), lines=lines).verdict is in_all


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("number", "lasts"), [(3_000, 0.0), (3_000, 0.01), (12_000, 0.03)])
def test_without_a_difference_no_line_of_all_shows_one_in_95_of_100_comparisons(make, number, lasts):
    """Pairs of windows that differ by chance alone; the queue stays long for up to a thirtieth of a window."""
    random = np.random.default_rng(int(number + 1e6 * lasts))
    alarms = 0
    for seed in range(100):
        pair = make.pair(make.traffic(random, number, lasts=lasts), make.traffic(random, number, lasts=lasts))
        (found,) = compared([pair], paired=False, least=0.0, seed=seed)
        alarms += any(one.verdict in SHOWN for one in found.lines)

    # Of 100 at 5 % one expects 5; more than 9 happen by chance 1 time in 35.
    assert alarms <= 9


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tenth_more_is_found_in_nine_of_ten_comparisons_and_blamed_on_its_stage(make):
    random = np.random.default_rng(11)
    found_in_stage = blamed = 0
    for seed in range(60):
        pair = make.pair(make.traffic(random, 6_000, lasts=0.01), make.traffic(random, 6_000, lasts=0.01, slower=1.1))
        (found,) = compared([pair], paired=False, least=0.05, seed=seed)
        found_in_stage += line(found, "execute", "p50").verdict is Verdict.WORSE
        blamed += any(one.measure == "queue" and one.verdict in SHOWN for one in found.lines)

    assert found_in_stage >= 54
    assert blamed <= 6


@pytest.mark.parametrize(
    ("difference", "half", "shown"),
    [
        (-0.22, 0.5, (-0.22, -0.72, pytest.approx(0.28))),
        (-0.22, 0.9, (-0.22, -1.0, pytest.approx(0.68))),
        (0.3, 0.95, (0.3, pytest.approx(-0.65), 1.0)),
        (-0.22, 1.47, (None, None, None)),
    ],
)
def test_shares_of_requests_differ_by_no_more_than_all_of_them(difference, half, shown):
    line = judged(Figure(0, ERRORS, "ratio", 0.28, 0.06, 0), difference, half, 0.05)

    assert (line.change, line.low, line.high) == shown
    assert line.verdict is Verdict.NOT_SHOWN
