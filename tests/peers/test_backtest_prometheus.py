"""Thirty days in a real Prometheus: a backtest reads the minutes that happened, and labels tell what ate a budget."""

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from free_ports import free_port
from typer.testing import CliRunner

from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_compose.backtest.sources.prometheus import minutes
from inferometer_compose.commands.declared import app
from inferometer_compose.slo_labels import causes_by_labels
from inferometer_compose.web import AnswerError, get_json

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(180)]

BIN = Path(__file__).parents[2] / ".tools/bin"
FLEET = """
version: 1
fleet: history
services:
  embedder: {engine: fastapi, models: {minilm: {objectives: [available]}}}
  reranker: {engine: fastapi, models: {bge: {objectives: [available]}}}
  silent: {engine: fastapi, models: {none: {objectives: [available]}}}
objectives: {available: {sli: availability, target: 99.9, window: 30d}}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
"""
DAYS = 8
MINUTES = DAYS * 1_440
RESET = 5_000
"""Minute in which one worker starts again: its counters begin at 0."""
OUTAGE = slice(9_000, 9_030)
SERIES = 'inference_slo_events_total{service="embedder",model="minilm",slo="embedder-minilm-available",%s}'


@pytest.fixture(scope="module")
def happened():
    """Good and bad requests of each minute by version: v2 is a tenth of it, and of the bad ones most."""
    random = np.random.default_rng(11)
    counts = {}
    for version, rate, share in (("v1", 18, 0.0002), ("v2", 2, 0.02)):
        all_of_them = random.poisson(rate, MINUTES)
        ratio = np.full(MINUTES, share)
        ratio[OUTAGE] = 0.5
        bad = random.binomial(all_of_them, ratio)
        counts[version, "good"], counts[version, "bad"] = all_of_them - bad, bad
    return counts


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, happened):
    """A Prometheus on blocks that promtool made of these counters, a sample a minute, and of tiles of another SLO."""
    for program in ("prometheus", "promtool"):
        if not (BIN / program).exists():
            pytest.fail(f"{program} is missing; run `make tools`")
    folder = tmp_path_factory.mktemp("history")
    begin = int(time.time()) // 300 * 300 - MINUTES * 60
    with (folder / "history.om").open("w") as out:
        out.write("# TYPE inference_slo_events counter\n")
        for (version, result), counts in happened.items():
            total = np.concatenate([[0], np.cumsum(counts)])
            if version == "v1":
                total[RESET + 1 :] -= total[RESET]
            name = SERIES % f'version="{version}",result="{result}"'
            out.writelines(f"{name} {value} {begin + 60 * number}\n" for number, value in enumerate(total))
        for series, value in (("slo:events:tile", 100), ("slo:bad_events:tile", 1)):
            out.write(f"# TYPE {series} gauge\n")
            out.writelines(f'{series}{{slo="reranker-bge-available"}} {value} {begin + 300 * number}\n'
                           for number in range(1, MINUTES // 5 + 1))  # fmt: skip
        out.write("# EOF\n")
    made = subprocess.run(
        [BIN / "promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history.om", folder / "data"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                BIN / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d", "--log.level=warn",
            ],
            stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not ready(base):
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2_000:]
            time.sleep(0.1)
        yield base, begin
    finally:
        process.terminate()
        process.wait(20)


def ready(base):
    try:
        return get_json(f"{base}/api/v1/status/buildinfo")["status"] == "success"
    except AnswerError:
        return False


def slo(number):
    return list(slos(loads(FLEET)))[number]


def test_minutes_are_those_that_happened_through_a_restart(prometheus, happened):
    base, begin = prometheus
    found = minutes(slo(0), base=base, begin=begin, end=begin + MINUTES * 60)

    # The first sample of a series tells no rise.
    assert (found.begin, found.minutes, found.resolution) == (begin, MINUTES, 60)
    bad = happened["v1", "bad"] + happened["v2", "bad"]
    assert found.bad.tolist() == bad.tolist()
    assert found.events.tolist() == (bad + happened["v1", "good"] + happened["v2", "good"]).tolist()
    assert found.watched == 1


def test_where_only_tiles_are_recorded_they_are_read(prometheus):
    base, begin = prometheus
    found = minutes(slo(1), base=base, begin=begin, end=begin + MINUTES * 60)

    assert found.resolution == 300
    assert found.total == pytest.approx(100 * MINUTES / 5)
    assert found.total_bad == pytest.approx(MINUTES / 5)
    assert found.events.std() == pytest.approx(0, abs=1e-9)
    assert found.watched == 1


def test_the_command_finds_the_outage_that_happened(prometheus, tmp_path):
    base, begin = prometheus
    (tmp_path / "fleet.yaml").write_text(FLEET)
    asked = ("slo", "backtest", "--config", str(tmp_path / "fleet.yaml"), "--prometheus", base, "--since", "10d")
    answer = CliRunner().invoke(app, [*asked, "--slo", "embedder-minilm-available", "--json"])

    assert answer.exit_code == 0, answer.output
    (told,) = json.loads(answer.stdout)["slos"]
    own = next(row for row in told["targets"] if row["target_ratio"] == 0.999)
    outage = begin + OUTAGE.start * 60
    assert any(abs(page["began_seconds"] - outage) <= 60 for page in own["ours"]["pages"])
    silent = CliRunner().invoke(app, [*asked, "--slo", "silent"])
    assert silent.exit_code == 2
    assert "has neither inference_slo_events_total nor slo:events:tile of silent-none-available" in silent.stderr


def test_labels_tell_which_version_ate_the_budget(prometheus, happened):
    base, begin = prometheus
    found = causes_by_labels("embedder-minilm-available", DAYS * 86_400, base=base, now=begin + MINUTES * 60)

    assert found["bad"] == pytest.approx(happened["v1", "bad"].sum() + happened["v2", "bad"].sum(), rel=0.02)
    assert [(one["dimension"], one["value"], one["clustered"]) for one in found["causes"]] == [("version", "v2", False)]
    assert found["causes"][0]["of_blocks"] >= 50
