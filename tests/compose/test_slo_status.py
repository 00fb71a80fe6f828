"""`inferometer slo status` and `slo gate` by the flight recorder: from its file and from a sidecar that runs."""

import json
import re
import threading
import time
from decimal import Decimal

import pytest
import uvicorn
from free_ports import free_port
from typer.testing import CliRunner

from inferometer.aggregate import Aggregator
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer.fleet.loader import loads
from inferometer.fleet.summary import thresholds
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import REQUESTS, Section
from inferometer_compose import slo_source
from inferometer_compose.commands import console, declared_slo
from inferometer_compose.commands.declared import app
from inferometer_compose.slo_budgets import Budget
from inferometer_exporters.api import Api
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.source import Sampler

SECOND, MS = 10**9, 10**6
WALL = 1_790_000_000 * SECOND
FLEET = """
version: 1
fleet: shop
services:
  shop: {engine: fastapi, models: {minilm: {objectives: [available, quick]}, idle: {objectives: [available]}}}
objectives:
  available: {sli: availability, target: 99, window: 1d}
  quick: {sli: latency, threshold: 100ms, target: 90, window: 7d}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
policy: [{below: 50, do: slow-rollout}, {below: 0, do: freeze}]
"""
EVIL = "v2\x1b[31m[bold]"
SHAPES = {
    1: ("shop", "minilm", "v1", "", "", "", "POST", "/a"),
    2: ("shop", "minilm", EVIL, "", "", "", "POST", "/a"),
}


def record(path):
    """An hour of a request every other second; of those of v2, some every fourth, a quarter is slow and some fail."""
    fleet = thresholds(loads(FLEET))
    recorder, now = Recorder(path, objectives=fleet.objectives), [1_000 * SECOND]
    pipeline = SidecarPipeline(
        recorder, fleet, Device(name="box", kind="cpu", model="a CPU"), Aggregator(monotonic_ns=lambda: now[0]),
        sampler=Sampler([]), monotonic_ns=lambda: now[0], wall_ns=lambda: WALL + now[0],
    )  # fmt: skip
    info = WorkerInfo(worker_id=b"w" * 16, pid=7, service="shop", sdk_version="0", host="box", start_ns=0)
    for sequence in range(1, 21):
        begin, rows = now[0], []
        now[0] += 180 * SECOND
        for number in range(90):
            identity = sequence * 90 + number
            at, new = begin + number * 2 * SECOND, number % 4 == 0
            took = (200 if number % 20 == 0 else 20) * MS
            values = {"trace_lo": identity, "span_id": identity, "entry": at, "endpoint": at, "last": at + took,
                      "done": at + took, "shape": 2 if new else 1, "status": 200, "flags": 1,
                      "outcome": 3 if number % 40 == 0 else 0}  # fmt: skip
            rows.append(REQUESTS.row.pack(*(values.get(name, 0) for name in REQUESTS.names)))
        names = Names(dict(SHAPES), {1: "box"})
        frame = Frame(worker_id=b"w" * 16, sequence=sequence, monotonic_ns=now[0], wall_ns=WALL + now[0], names=names,
                      gauges={}, tables={Section.REQUESTS: b"".join(rows)})  # fmt: skip
        pipeline.absorb([Arrival(info, frame, names)])
        pipeline.closing = sequence == 20
        pipeline.tick(now[0])
        pipeline.commit(sequence, previous_ns=None)
    return recorder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "fleet.yaml").write_text(FLEET)
    record(folder / "recorder.duckdb").close()
    return folder


@pytest.fixture(scope="module")
def sidecar(folder):
    """The API of a sidecar that runs, an hour after the last request."""
    recorder = Recorder(folder / "recorder.duckdb")
    api = Api(recorder.cursor, thresholds(loads(FLEET)), healthy=lambda: True,
              wall_ns=lambda: WALL + (1_000 + 3_600) * SECOND)  # fmt: skip
    server = uvicorn.Server(uvicorn.Config(api.app(), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    recorder.close()


def slo(*arguments):
    return CliRunner().invoke(app, ["slo", *arguments])


@pytest.fixture(scope="module")
def by_file(folder):
    """The file cannot be open twice, so it is asked before a sidecar has it."""
    where = ("--recorder", str(folder / "recorder.duckdb"), "--config", str(folder / "fleet.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "_WIDTH_WITHOUT_TERMINAL", 80)
        return {
            "document": slo("status", "--json", *where),
            "screen": slo("status", *where),
            "closed": slo("gate", "--service", "quick", "--least", "60", *where),
            "open": slo("gate", "--service", "quick", *where),
            "gone": slo("gate", *where),
        }


def test_budgets_are_told_by_the_recorder_alone(by_file, folder):
    document = json.loads(by_file["document"].stdout)
    available, quick, idle = (
        {one["slo"]: one for one in document["slos"]}[name]
        for name in ("shop-minilm-available", "shop-minilm-quick", "shop-idle-available")
    )

    assert document["budgets_from"] == document["causes_from"] == f"flight recorder {folder / 'recorder.duckdb'}"
    assert (available["events"], available["bad_events"]) == (1_800, 60)
    assert available["good_ratio"] == pytest.approx(1 - 60 / 1_800)
    assert available["budget_left_ratio"] == pytest.approx(1 - 60 / 18)
    assert available["do"] == ["freeze", "slow-rollout"]
    assert (quick["events"], quick["bad_events"]) == (1_800, 100)
    assert quick["budget_left_ratio"] == pytest.approx(4 / 9)
    assert quick["known_seconds"] == pytest.approx(3_600, abs=120)
    # As many as come in a week at this rate.
    assert quick["budget_left_requests"] == pytest.approx(4 / 9 * 0.1 * 1_800 * 7 * 24, rel=0.05)
    assert quick["budget_left_seconds"] == pytest.approx(4 / 9 * 0.1 * 7 * 86_400)
    assert quick["burn_rate"] == {window: pytest.approx(5 / 9, abs=0.2) for window in quick["burn_rate"]}
    assert (idle["budget_left_ratio"], idle["ate_it"], idle["do"]) == (None, None, [])


def test_what_ate_them_is_told_with_its_share_of_the_bad_requests(by_file):
    by_name = {one["slo"]: one["ate_it"] for one in json.loads(by_file["document"].stdout)["slos"]}
    (cause,) = by_name["shop-minilm-quick"]["causes"]

    assert (cause["dimension"], cause["value"], cause["clustered"]) == ("version", EVIL, False)
    assert cause["share"] == pytest.approx(1)
    assert by_name["shop-minilm-quick"]["stages"]
    assert by_name["shop-minilm-available"]["outcomes"] == {"server_error": 60}


def test_the_screen_fits_80_columns_and_obeys_no_name(by_file):
    answer = by_file["screen"]
    lines = answer.stdout.splitlines()

    assert answer.exit_code == 0, answer.output
    assert lines[0].split()[0] == "slo"
    assert lines[1].split()[0] == "shop-minilm-available"
    assert "gone" in lines[1]
    assert "  shop-minilm-available: freeze (it is gone), slow-rollout (below 50 %)" in lines
    assert any("version v2" in line and "[bold]" in line for line in lines)
    assert "\x1b" not in answer.stdout
    assert any(re.search("of their periods 6[0-2] min are known", line) for line in lines)
    assert max(len(line) for line in lines if "recorder.duckdb" not in line) <= 80


def test_the_gate_goes_by_the_policy_and_says_why(by_file):
    assert by_file["gone"].exit_code == 1
    assert "closed: shop-minilm-available has -233.3 % of its budget left" in by_file["gone"].stdout
    assert by_file["closed"].exit_code == 1
    assert "closed: shop-minilm-quick has 44.4 % of its budget left" in by_file["closed"].stdout
    assert by_file["open"].exit_code == 0
    assert by_file["open"].stdout.startswith("open: shop-minilm-quick has 44.4 % left")


def test_a_sidecar_that_runs_tells_the_same(by_file, sidecar):
    answer = slo("status", "--json", "--api", sidecar)
    assert answer.exit_code == 0, answer.output
    told, of_file = json.loads(answer.stdout), json.loads(by_file["document"].stdout)

    assert told["budgets_from"] == f"flight recorder {sidecar}"
    assert sorted(told["policy"], key=str) == sorted(of_file["policy"], key=str)
    for one, other in zip(told["slos"], of_file["slos"], strict=True):
        for name in ("slo", "events", "bad_events", "budget_left_ratio", "do"):
            assert one[name] == other[name]
    assert slo("gate", "--api", sidecar).exit_code == 1


def test_a_backtest_reads_the_sidecar_too(by_file, sidecar, folder):
    answer = slo("backtest", "--json", "--slo", "shop-minilm-quick", "--api", sidecar, "--config",
                 str(folder / "fleet.yaml"), "--since", "2h", "--inject", "50% slow for 20m")  # fmt: skip
    assert answer.exit_code == 0, answer.output
    (told,) = json.loads(answer.stdout)["slos"]

    assert (told["events"], told["bad_events"]) == (1_800, 100)
    assert re.match(r"1h(1m)? are known, and a week", told["advice"]["too_little"])
    assert by_file["document"].exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recorder", "none.duckdb"), "a recorder file does not say what is promised: name the fleet file"),
        (("--api", "http://127.0.0.1:9"), "no sidecar answers at http://127.0.0.1:9"),
        (("--prometheus", "http://127.0.0.1:9"), "http://127.0.0.1:9/api/v1/query"),
        (("--config", "none.yaml"), "none.yaml"),
    ],
)
def test_whoever_is_named_must_answer(arguments, message):
    for command in (("status",), ("gate", "--service", "shop")):
        answer = slo(*command, *arguments)

        assert answer.exit_code == 2
        assert message in answer.stderr
        assert answer.stdout == ""


def test_where_nobody_is_there_the_gate_stays_shut_and_says_whom_it_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("INFEROMETER_PROMETHEUS", raising=False)
    nobody = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr(slo_source, "DEFAULT_PROMETHEUS", nobody)
    monkeypatch.setattr(declared_slo, "SIDECAR", nobody)
    answer = slo("gate", "--service", "shop", "--json")

    assert answer.exit_code == 2
    assert f"nobody can tell: {nobody}" in answer.stderr
    assert "name one with --prometheus, --api" in answer.stderr


def test_where_no_prometheus_answers_the_sidecar_is_asked_and_named(sidecar, monkeypatch):
    monkeypatch.delenv("INFEROMETER_PROMETHEUS", raising=False)
    monkeypatch.setattr(slo_source, "DEFAULT_PROMETHEUS", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(declared_slo, "SIDECAR", sidecar)
    document = json.loads(slo("status", "--json", "--no-causes").stdout)

    assert document["budgets_from"] == f"flight recorder {sidecar}"
    assert document["causes_from"] is None


def budget(left, **more):
    values = {"slo": "a-b-c", "service": "a", "model": "b", "objective": "c", "sli": "availability", "target": 99.0,
              "period_seconds": 86_400.0, "events": 1_000.0, "bad": 10.0}  # fmt: skip
    return Budget(**(values | {"left": left} | more))


def test_a_freeze_above_nothing_closes_the_gate_before_the_budget_is_gone():
    policy = (BudgetStep(below=Decimal(10), do=Action.FREEZE), BudgetStep(below=Decimal(30), do=Action.PAGE))

    assert [step.do for step in budget(0.05).due(policy)] == [Action.FREEZE, Action.PAGE]
    assert [step.do for step in budget(0.2).due(policy)] == [Action.PAGE]
    assert budget(None).due(policy) == ()
    assert budget(0.5).good_now is None
    assert budget(0.5, burn={"1h": 4.0}).good_now == pytest.approx(0.96)
