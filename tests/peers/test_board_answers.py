"""What boards show, in Prometheus's own engine: nothing where nothing is known, and the right number where it is."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from inferometer import promql
from inferometer.catalog import devices, engines, gpus
from inferometer.catalog.engines import of_engine
from inferometer.catalog.labels import (
    DEVICE,
    DEVICE_STATE,
    DIRECTION,
    MODEL,
    OUTCOME,
    PARENT,
    REPLICA,
    SERVICE,
    STAGE,
    THROTTLE_REASON,
    XID,
)
from inferometer.catalog.requests import (
    COLD_STARTS,
    COST,
    IN_FLIGHT,
    RETRIED_COST,
    STAGE_DURATION,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.fleet.loader import load
from inferometer.promql import Part
from inferometer_alerts import recorded_costs, recorded_models
from inferometer_alerts.rule_labels import BUDGET, INSTANCE, LE
from inferometer_alerts.rule_series import Scraped
from inferometer_dashboards import queries

pytestmark = [pytest.mark.peers]

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/bin/promtool"
FLEET = load(ROOT / "examples/fleet.yaml")
STEP = "15s"
LATER = "10m"
"""When a question is asked: every window of a panel lies in the samples."""
ROUNDED = "0.000001"
OF = (promql.equal(SERVICE, "chat"), promql.equal(MODEL, "llama"))
CHAT = {"service": "chat", "model": "llama"}
OLD = (promql.equal(SERVICE, "old"), promql.equal(MODEL, "bert"))
UNKNOWN = tuple(f"{series.name}{Part.SUM.value}" for series in (STAGE_DURATION, TIME_TO_FIRST_TOKEN))
"""Sums that some engines do not know: NaN on their pages."""


def asked(board: str, panel: str, number: int = 0) -> str:
    """The query of a panel as Prometheus gets it, with everything chosen."""
    found = [q.expression for q in queries.expressions(FLEET) if (q.board, q.panel) == (f"inferometer-{board}", panel)]
    return found[number]


def answers(tmp_path: Path, *tests: dict) -> subprocess.CompletedProcess[str]:
    if not PROMTOOL.is_file():
        pytest.fail("promtool is missing; run `make tools`")
    path = tmp_path / "boards_test.yml"
    # promtool's samples cannot be NaN, a rule's can.
    rules = [{"record": name, "expr": f"unknown:{name} * NaN"} for name in UNKNOWN]
    (tmp_path / "unknown.yml").write_text(json.dumps({"groups": [{"name": "unknown", "rules": rules}]}))
    path.write_text(json.dumps({"rule_files": ["unknown.yml"], "evaluation_interval": STEP, "tests": list(tests)}))
    return subprocess.run(
        [PROMTOOL, "test", "rules", str(path)], check=False, capture_output=True, text=True, timeout=120
    )


def test_where_nothing_is_known_nothing_is_shown(tmp_path):
    """No query of any board makes a number out of no series: unknown is absent, never 0."""
    every = sorted({query.expression for query in queries.expressions(FLEET)})

    tested = answers(
        tmp_path,
        {
            "interval": STEP,
            "input_series": [{"series": "unrelated", "values": "1x60"}],
            "promql_expr_test": [{"expr": one, "eval_time": LATER, "exp_samples": []} for one in every],
        },
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr


@dataclass(frozen=True, kw_only=True)
class Case:
    """Samples each 15 s, a panel's query, and what it must answer: labels and value of each element."""

    asked: str
    series: dict[str, str]
    shown: tuple[tuple[dict[str, str], float], ...]


def gpu(series, name: str, *more) -> str:
    return promql.select(series, promql.equal(DEVICE, name), *more).text


def reason(value: str):
    return promql.equal(THROTTLE_REASON, value)


def stage(name: str, *of) -> str:
    return promql.select(STAGE_DURATION, *(of or OF), promql.equal(STAGE, name), part=Part.SUM).text


def bucket(le: str) -> str:
    return promql.select(TIME_TO_FIRST_TOKEN, *OF, promql.equal(LE, le), part=Part.BUCKET).text


def first_token(part: Part) -> str:
    return promql.select(TIME_TO_FIRST_TOKEN, *OF, part=part).text


def spent(outcome: str) -> str:
    return promql.select(COST, *OF, promql.equal(OUTCOME, outcome)).text


def replica(series, name: str = "a:8000") -> str:
    return promql.select(of_engine(series), *OF, promql.equal(REPLICA, name)).text


def up(name: str) -> str:
    return promql.select(engines.UP, promql.equal(SERVICE, "chat"), promql.equal(REPLICA, name)).text


def budget(series) -> str:
    return promql.select(series, promql.equal(BUDGET, "everything")).text


def mean_of(name: str) -> str:
    return promql.select(recorded_models.MODEL_STAGE_MEAN, *OF, promql.equal(STAGE, name)).text


# A step is 15 s, so a rise of 15 a step is 1 per second.
CASES = {
    "a GPU is idle, busy, or held back while it works": Case(
        asked=asked("gpu", "state"),
        series={
            gpu(gpus.GPU_UTILIZATION, "idle"): "0x60",
            gpu(gpus.GPU_UTILIZATION, "busy"): "0.5x60",
            gpu(gpus.GPU_UTILIZATION, "hot"): "0.9x60",
            gpu(gpus.GPU_THROTTLE, "hot", reason("thermal")): "0+3x60",
            gpu(gpus.GPU_UTILIZATION, "hot and idle"): "0x60",
            gpu(gpus.GPU_THROTTLE, "hot and idle", reason("thermal")): "0+3x60",
            gpu(gpus.GPU_UTILIZATION, "at its limit at times"): "0.9x60",
            gpu(gpus.GPU_THROTTLE, "at its limit at times", reason("power_cap")): "0+6x60",
            gpu(gpus.GPU_UTILIZATION, "at its limit"): "0.9x60",
            gpu(gpus.GPU_THROTTLE, "at its limit", reason("power_cap")): "0+9x60",
            gpu(gpus.GPU_UTILIZATION, "waits for its group"): "0.9x60",
            gpu(gpus.GPU_THROTTLE, "waits for its group", reason("sync_boost")): "0+15x60",
            gpu(gpus.GPU_SM_ACTIVE, "instance"): "0.2x60",
        },
        shown=(
            ({"device": "idle"}, 0),
            ({"device": "busy"}, 1),
            ({"device": "hot"}, 2),
            ({"device": "hot and idle"}, 0),
            ({"device": "at its limit at times"}, 1),
            ({"device": "at its limit"}, 2),
            ({"device": "waits for its group"}, 1),
            ({"device": "instance"}, 1),
        ),
    ),
    "no GPU is held back, and that is known": Case(
        asked=asked("gpu", "held-back-now"),
        series={gpu(gpus.GPU_UTILIZATION, "a"): "0.5x60"},
        shown=(({}, 0),),
    ),
    "two sidecars that tell of one GPU count it once": Case(
        asked=asked("gpu", "present"),
        series={
            gpu(Scraped(gpus.GPU_UTILIZATION), "a", promql.equal(INSTANCE, "one:9464")): "0.5x60",
            gpu(Scraped(gpus.GPU_UTILIZATION), "a", promql.equal(INSTANCE, "two:9464")): "0.5x60",
        },
        shown=(({}, 1),),
    ),
    "an XID that came before the time shown is not in its table": Case(
        asked=asked("gpu", "xid"),
        series={
            gpu(gpus.GPU_XID_ERRORS, "a", promql.equal(XID, "79")): "0x20 2x40",
            gpu(gpus.GPU_XID_ERRORS, "a", promql.equal(XID, "31")): "5x60",
        },
        # Prometheus extrapolates two errors to the edges of the samples.
        shown=(({"device": "a", "xid": "79"}, 2.0),),
    ),
    "an instance has its GPU beside it": Case(
        asked=asked("gpu", "mig-activity"),
        series={
            gpu(gpus.GPU_MIG_INFO, "MIG-1", promql.equal(PARENT, "GPU-1")): "1x60",
            gpu(gpus.GPU_SM_ACTIVE, "MIG-1"): "0.4x60",
            gpu(gpus.GPU_SM_ACTIVE, "GPU-1"): "0.2x60",
        },
        shown=(({"device": "MIG-1", "parent": "GPU-1"}, 0.4),),
    ),
    "waste is what failed, was left, or was asked for again": Case(
        asked=asked("cost", "waste-share"),
        series={
            spent("ok"): "0+6x60",
            spent("timeout"): "0+3x60",
            spent("cancelled"): "0+1x60",
            promql.select(RETRIED_COST, *OF).text: "0+2x60",
        },
        shown=(({}, 0.6),),
    ),
    "no waste is 0 where costs are known": Case(
        asked=asked("cost", "waste-share"), series={spent("ok"): "0+6x60"}, shown=(({}, 0),)
    ),
    "what nobody uses has the price of its device": Case(
        asked=asked("cost", "idle-states"),
        series={
            gpu(devices.LEDGER, "a", promql.equal(DEVICE_STATE, "warm_idle")): "0+7.5x60",
            gpu(devices.LEDGER, "b", promql.equal(DEVICE_STATE, "warm_idle")): "0+15x60",
            gpu(devices.LEDGER, "b", promql.equal(DEVICE_STATE, "attributed")): "0+15x60",
            gpu(devices.PRICE, "a"): "4x60",
            gpu(devices.PRICE, "b"): "1x60",
        },
        shown=(({"state": "warm_idle"}, 3),),
    ),
    "a bill that was read corrects what its device cost": Case(
        asked=asked("cost", "per-1k-billed"),
        series={
            recorded_costs.FLEET_PER_1K_LOADED.name: "2x60",
            gpu(recorded_costs.BILL, "a"): "3x60",
            gpu(recorded_costs.BILL, "b"): "1x60",
            gpu(recorded_costs.BILL, "of which no bill is known"): "9x60",
            gpu(devices.BILL_RATIO, "a"): "0.8x60",
            gpu(devices.BILL_RATIO, "b"): "1.2x60",
        },
        # (3 * 0.8 + 1 * 1.2) / 4 of 2 dollars
        shown=(({}, 1.8),),
    ),
    "a month of a budget is 730 hours at the week's pace": Case(
        asked=asked("cost", "budgets", 1),
        series={budget(recorded_costs.spending("7d")): "1.5x60", budget(recorded_costs.BUDGET_ALLOWED): "0.25x60"},
        shown=(({"budget": "everything"}, 273.75),),
    ),
    "a month at this pace is 730 hours of the bill": Case(
        asked=asked("cost", "month"),
        series={gpu(recorded_costs.BILL, "a"): "2x60", gpu(recorded_costs.BILL, "b"): "0.5x60"},
        shown=(({}, 1825),),
    ),
    "an engine is busy for a share of the time": Case(
        asked=asked("llm", "engine-busy"),
        series={replica(engines.BUSY): "0+7.5x60"},
        shown=(({**CHAT, "replica": "a:8000"}, 0.5),),
    ),
    "a price is as old as its date": Case(
        asked=asked("cost", "price-age"),
        series={gpu(devices.PRICE_AS_OF, "a"): "-86400x60"},
        shown=(({"device": "a"}, 87_000),),
    ),
    "who never waited waited 0": Case(
        asked=asked("queues", "queue-mean"), series={mean_of("execute"): "0.2x60"}, shown=((CHAT, 0),)
    ),
    "the share of waiting is of the whole time": Case(
        asked=asked("queues", "queue-share"),
        series={mean_of("execute"): "0.2x60", mean_of("queue"): "0.6x60"},
        shown=((CHAT, 0.75),),
    ),
    "an engine whose sums are unknown hides nobody else's": Case(
        asked=asked("queues", "waiting-share"),
        series={
            stage("queue"): "0+3x60",
            stage("execute"): "0+9x60",
            f"unknown:{stage('queue', *OLD)}": "1x60",
        },
        shown=(({}, 0.25),),
    ),
    "the open requests of a service are shared by its replicas": Case(
        asked=asked("queues", "open-per-replica"),
        series={
            replica(IN_FLIGHT): "6x60",
            replica(IN_FLIGHT, "b:8000"): "2x60",
            up("a:8000"): "1x60",
            up("b:8000"): "1x60",
        },
        shown=(({"service": "chat"}, 4),),
    ),
    "an engine's own buckets have quantiles": Case(
        asked=asked("llm", "first-token", 1),
        series={bucket("0.1"): "0+10x60", bucket("0.3"): "0+30x60", bucket("+Inf"): "0+30x60"},
        shown=((CHAT, 0.15),),
    ),
    "a sum and a count have no quantile": Case(
        asked=asked("llm", "first-token", 1),
        series={
            bucket("+Inf"): "0+30x60",
            first_token(Part.SUM): "0+6x60",
            first_token(Part.COUNT): "0+30x60",
        },
        shown=(),
    ),
    "a sum and a count have a mean": Case(
        asked=asked("llm", "first-token", 0),
        series={first_token(Part.SUM): "0+6x60", first_token(Part.COUNT): "0+30x60"},
        shown=((CHAT, 0.2),),
    ),
    "a count without a sum has no mean": Case(
        asked=asked("llm", "first-token", 0),
        series={f"unknown:{first_token(Part.SUM)}": "1x60", first_token(Part.COUNT): "0+30x60"},
        shown=(),
    ),
    "native histograms of our own services have quantiles": Case(
        asked=asked("llm", "first-token", 1),
        series={
            promql.select(TIME_TO_FIRST_TOKEN, *OF).text: (
                "{{schema:0 count:0 sum:0 buckets:[0 0]}}+{{schema:0 count:4 sum:6 buckets:[0 4]}}x60"
            )
        },
        # The bucket from 1 to 2, cut in two as exponents are.
        shown=((CHAT, 1.414214),),
    ),
    "hits are a share of the tokens that were looked up": Case(
        asked=asked("llm", "prefix-cache"),
        series={replica(engines.PREFIX_HITS): "0+300x60", replica(engines.PREFIX_QUERIES): "0+400x60"},
        shown=(({**CHAT, "replica": "a:8000"}, 0.75),),
    ),
    "a million tokens cost what they used": Case(
        asked=asked("llm", "usd-per-million-tokens"),
        series={
            spent("ok"): "0+0.003x60",
            promql.select(TOKENS, *OF, promql.equal(DIRECTION, "input")).text: "0+1000x60",
            promql.select(TOKENS, *OF, promql.equal(DIRECTION, "output")).text: "0+500x60",
        },
        shown=((CHAT, 2),),
    ),
    "starts are told by the pace of ten minutes": Case(
        asked=asked("cold-start", "storms"),
        series={promql.select(COLD_STARTS, promql.equal(SERVICE, "chat")).text: "0+0.3x60"},
        shown=(({"service": "chat"}, 12),),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_panel_shows_the_right_number(case, tmp_path):
    expected = [
        {"labels": "{" + ", ".join(f"{key}={json.dumps(text)}" for key, text in labels.items()) + "}", "value": value}
        for labels, value in case.shown
    ]
    # promtool compares to the last bit.
    asked_rounded = f"round({case.asked}, {ROUNDED})"

    tested = answers(
        tmp_path,
        {
            "interval": STEP,
            "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
            "promql_expr_test": [{"expr": asked_rounded, "eval_time": LATER, "exp_samples": expected}],
        },
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
