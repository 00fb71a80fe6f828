"""A backtest pages when Prometheus does: the same minutes through the generated rules in promtool and through ours."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_alerts.generation import files
from inferometer_alerts.yaml_text import dump
from inferometer_compose.backtest.conditions import classic, ours
from inferometer_compose.backtest.counts import Counts
from inferometer_compose.backtest.engine import Clock, History

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/bin/promtool"
SLOTH = ROOT / "tests/data/slo/sloth"
FLEET = """
version: 1
fleet: backtest
services: {embedder: {engine: fastapi, models: {minilm: {objectives: [the-one]}}}}
objectives: {the-one: {sli: availability, target: %s, window: 30d}}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
"""
DIRECT, TILED = Clock(), Clock(scrape=60, evaluation=300, later=300, tile=300)
HOUR = 60


def history(minutes, per_minute, incidents, seed):
    """Random requests of which one in ten thousand is bad, and more during the incidents (minutes, share)."""
    random = np.random.default_rng(seed)
    events = random.poisson(per_minute, minutes).astype(float)
    share = np.full(minutes, 0.0001)
    for begin, end, ratio in incidents:
        share[begin:end] = ratio
    bad = random.binomial(events.astype(int), share).astype(float)
    return Counts(begin=0, events=events, bad=bad, known=np.ones(minutes, bool))


def samples(values, clock):
    """A counter as promtool is told of it: a value at each scrape."""
    parts = 60 // clock.scrape
    whole = np.concatenate([[0.0], np.cumsum(np.repeat(values / parts, parts))])
    return " ".join(f"{value:.9f}" for value in whole)


def promtool(folder, rules, series, clock, seconds, alerts):
    """Seconds at which an alert fires."""
    if not PROMTOOL.exists():
        pytest.fail(f"{PROMTOOL} is missing; run `make tools`")
    (folder / "rules.yml").write_bytes(rules)
    groups = [group["name"] for group in YAML(typ="safe", pure=True).load(rules)["groups"]]
    expression = f'group(ALERTS{{alertstate="firing", {alerts}}})'
    rounds = range(clock.evaluation, seconds + 1, clock.evaluation)
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{clock.evaluation}s",
        "group_eval_order": groups,
        "tests": [
            {
                "interval": f"{clock.scrape}s",
                "input_series": [{"series": name, "values": samples(of, clock)} for name, of in series.items()],
                "promql_expr_test": [
                    {"expr": expression, "eval_time": f"{at}s", "exp_samples": []} for at in rounds
                ],
            }
        ],
    }  # fmt: skip
    (folder / "test.yml").write_bytes(dump(test))
    ran = subprocess.run([PROMTOOL, "test", "rules", folder / "test.yml"], capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    found = re.findall(r"time: (\w+),\s+exp: *nil\s+got: *\{\} 1E\+00", said)
    assert found or "SUCCESS" in said, said[-2000:]
    return [durations.parse(at) // 10**9 for at in found]


def ours_in_promtool(folder, fleet, counts, clock, tier):
    series = (
        'inference_slo_events_total{service="embedder", model="minilm", slo="embedder-minilm-the-one", result="%s"}'
    )
    return promtool(
        folder, files(fleet)["prometheus/rules/slo.yml"],
        {series % "good": counts.events - counts.bad, series % "bad": counts.bad}, clock, counts.seconds,
        f'alertname=~"InferenceBudgetBurn.*", slo_tier="{tier}"',
    )  # fmt: skip


def fired(history, condition):
    return history.times[history.holds(condition)[0]].astype(int).tolist()


def spans(at, step):
    """Begin and end of each stretch of evaluations at which it fires."""
    found = []
    for moment in at:
        if found and moment - found[-1][1] <= step:
            found[-1][1] = moment
        else:
            found.append([moment, moment])
    return found


def assert_alike(mine, theirs, step, most_flickers=0):
    """The same alerts, each within one evaluation; of those at the very limit some may differ."""
    both = set(mine) | set(theirs)
    near = {moment for moment in both if {moment, moment - step, moment + step} & set(mine) and
            {moment, moment - step, moment + step} & set(theirs)}  # fmt: skip
    assert len(both - near) <= most_flickers, (spans(mine, step), spans(theirs, step))


OUTAGES = [(70, 82, 1.0), (130, 190, 0.2), (260, 263, 0.6), (300, 420, 0.02)]


@pytest.mark.parametrize(("target", "per_minute"), [("90", 400), ("99", 400), ("99", 4), ("99.9", 4)])
def test_windows_of_counters_fire_at_the_same_evaluations(tmp_path, target, per_minute):
    fleet = loads(FLEET % target)
    counts = history(8 * HOUR, per_minute, OUTAGES, seed=int(float(target) * 10) + per_minute)
    replayed = History.of(counts, DIRECT, born=True)
    number = 0
    for condition in ours(next(slos(fleet)).objective):
        if condition.long <= 3_600:
            theirs = ours_in_promtool(tmp_path, fleet, counts, DIRECT, condition.tier)
            assert_alike(fired(replayed, condition), theirs, 30)
            number += len(theirs)
    assert number


DAYS = [(1_500, 1_560, 0.3), (2_000, 2_300, 0.05), (3_000, 3_260, 1.0)]


@pytest.mark.parametrize("target", ["95", "99.9"])
def test_windows_of_tiles_fire_at_the_same_evaluations(tmp_path, target):
    fleet = loads(FLEET % target)
    counts = history(4 * 1_440, 50, DAYS, seed=3)
    replayed = History.of(counts, TILED, born=True)
    tiled = [condition for condition in ours(next(slos(fleet)).objective) if condition.long > 3_600]
    for condition in tiled:
        theirs = ours_in_promtool(tmp_path, fleet, counts, TILED, condition.tier)
        assert_alike(fired(replayed, condition), theirs, 300)
        assert theirs


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_classic_windows_fire_as_those_that_sloth_generates(tmp_path, severity):
    counts = history(12 * HOUR, 60, [(100, 130, 0.5), (300, 500, 0.01)], seed=5)
    replayed = History.of(counts, DIRECT, born=True)
    spec = next(slos(loads(FLEET % "99.9"))).objective
    series = 'inference_requests_total{service="embedder", outcome="%s"}'
    theirs = promtool(
        tmp_path, (SLOTH / "availability-99.9.yaml").read_bytes(),
        {series % "ok": counts.events - counts.bad, series % "server_error": counts.bad}, DIRECT, counts.seconds,
        f'sloth_severity="{severity}"',
    )  # fmt: skip
    holds = [replayed.holds(one)[0] for one in classic(spec) if one.severity.value == severity]
    mine = replayed.times[np.logical_or.reduce(holds)].astype(int).tolist()

    assert_alike(mine, theirs, 30)
    assert theirs
