"""The pages as a real Prometheus 3.9 reads them: native and classic histograms, exemplars, no `increase` at birth."""

import json
import subprocess
import time
import urllib.error
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import latency_shapes as shapes
import numpy as np
import pytest
from free_ports import free_port

from inferometer.aggregate import Aggregator, Exemplar, Exposition, PageServer
from inferometer.catalog import requests

pytestmark = [pytest.mark.peers, pytest.mark.timeout(90)]

PROMETHEUS = Path(__file__).parents[2] / ".tools/bin/prometheus"
DURATION = requests.REQUEST_DURATION
MODEL = ("svc", "m", "", "")
COUNTED = ("svc", "m", "", "", "", "", "ok", "true")
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: native
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
    scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0, PrometheusText0.0.4]
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
  - job_name: openmetrics
    scrape_protocols: [OpenMetricsText1.0.0]
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
  - job_name: text
    scrape_protocols: [PrometheusText0.0.4]
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


def eventually(what: str, ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what}: did not come; last answer {answer!r}"
        time.sleep(0.2)
    return answer


def observe_shapes(aggregator: Aggregator) -> None:
    """Each shape as a model of its own."""
    for shape in shapes.SHAPES:
        cell = aggregator.histogram(DURATION, ("svc", shape, "", ""))
        for value in shapes.values(shape).tolist():
            cell.observe(value)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """An aggregator with 1,000 durations of 1 to 1,000 ms, scraped in three formats each second."""
    if not PROMETHEUS.exists():
        pytest.fail(f"{PROMETHEUS} is missing; run `make tools`")
    folder = tmp_path_factory.mktemp("prometheus")
    aggregator = Aggregator(extra_bounds={DURATION.name: (250_000_000,)})
    shown = SimpleNamespace(snapshot=aggregator.snapshot())
    server = PageServer(Exposition(lambda: shown.snapshot), healthy=lambda: True, port=0)
    server.start()
    (folder / "prometheus.yml").write_text(CONFIG.format(port=server.port))
    port = free_port()
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [
            str(PROMETHEUS), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=warn",
        ],
        stderr=log,
    )  # fmt: skip
    base = f"http://127.0.0.1:{port}/api/v1"

    def ask(path: str, **parameters: object) -> Any:
        try:
            with urlopen(f"{base}/{path}?{urlencode(parameters)}", timeout=5) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                # It is not ready yet.
                return None
            pytest.fail(error.read().decode())
        except OSError:
            return None

    def value(expression: str) -> float | None:
        result = (ask("query", query=expression) or {"result": []})["result"]
        return float(result[0]["value"][1]) if result else None

    def publish() -> None:
        aggregator.settle()
        shown.snapshot = aggregator.snapshot()

    try:
        eventually("Prometheus scrapes all three", lambda: value("sum(up)") == 3)
        observe_shapes(aggregator)
        for milliseconds in range(1, 1001):
            aggregator.observe(DURATION, MODEL, milliseconds * 1_000_000)
        aggregator.add(requests.REQUESTS, COUNTED, 1000)
        aggregator.exemplar(
            DURATION, MODEL, Exemplar(trace_id=0xFEED, value=900_000_000, wall_ns=time.time_ns() - 10**9)
        )
        publish()
        # Three: each job has fetched the 0.
        eventually("the zeros of birth", lambda: value(f"count({requests.REQUESTS.name})") == 3)
        publish()
        eventually("the values", lambda: value(f"min({requests.REQUESTS.name})") == 1000)
        yield SimpleNamespace(ask=ask, value=value, log=folder / "log")
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        server.close()


def test_every_scrape_is_accepted(scraped):
    def refused() -> list[str]:
        """What Prometheus said at each one's last scrape; one that came too late comes again."""
        return [target["lastError"] for target in scraped.ask("targets")["activeTargets"] if target["health"] != "up"]

    eventually("every page is accepted", lambda: not refused())
    assert not [line for line in scraped.log.read_text().splitlines() if "msg=" in line and "rror" in line]


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_quantiles_of_the_native_histogram_are_within_the_promised_error(scraped, quantile):
    found = scraped.value(f'histogram_quantile({quantile}, {DURATION.name}{{job="native",model="m"}})')

    assert found == pytest.approx(quantile, rel=0.044)


@pytest.mark.parametrize(
    "shape", ["lognormal", "bimodal", "pareto", "exponential", "uniform", "constant with outliers"]
)
def test_prometheus_computes_percentiles_of_six_shapes_within_two_per_cent(scraped, shape):
    exact = np.quantile(shapes.values(shape), shapes.QUANTILES) / 1e9
    series = f'{{job="native",model="{shape}"}}'
    native, classic = [], []
    for level, true in zip(shapes.QUANTILES, exact, strict=True):
        native.append(scraped.value(f"histogram_quantile({level}, {DURATION.name}{series})") / true - 1)
        buckets = f"{DURATION.name}_bucket{series}"
        classic.append(scraped.value(f"histogram_quantile({level}, sum by (le) ({buckets}))") / true - 1)

    figures = [" ".join(f"{error:+.2%}" for error in errors) for errors in (native, classic)]
    assert max(map(abs, native)) <= 0.02, f"native {figures[0]}; classic {figures[1]}"


def test_the_native_histogram_has_the_exact_count_and_sum(scraped):
    series = f'{DURATION.name}{{job="native",model="m"}}'

    assert scraped.value(f"histogram_count({series})") == 1000
    assert scraped.value(f"histogram_sum({series})") == pytest.approx(500.5)


@pytest.mark.parametrize("job", ["native", "openmetrics", "text"])
def test_the_classic_bucket_at_the_threshold_is_exact_in_every_format(scraped, job):
    assert scraped.value(f'{DURATION.name}_bucket{{job="{job}",model="m",le="0.25"}}') == 250
    assert scraped.value(f'{DURATION.name}_count{{job="{job}",model="m"}}') == 1000
    assert scraped.value(f'{DURATION.name}_sum{{job="{job}",model="m"}}') == pytest.approx(500.5)


@pytest.mark.parametrize("job", ["native", "openmetrics"])
def test_the_exemplar_is_found_by_its_trace_id(scraped, job):
    def exemplars() -> list[dict[str, Any]]:
        found = scraped.ask(
            "query_exemplars", query=f'{DURATION.name}_bucket{{job="{job}"}}', start=time.time() - 300, end=time.time()
        )
        return [exemplar for series in found for exemplar in series["exemplars"]]

    (exemplar,) = {json.dumps(e, sort_keys=True): e for e in eventually("an exemplar", exemplars)}.values()

    assert exemplar["labels"] == {"trace_id": f"{0xFEED:032x}"}
    assert float(exemplar["value"]) == 0.9


def test_the_exemplar_of_the_native_histogram_is_found_too(scraped):
    found = scraped.ask(
        "query_exemplars", query=f'{DURATION.name}{{job="native"}}', start=time.time() - 300, end=time.time()
    )

    assert [e["labels"]["trace_id"] for series in found for e in series["exemplars"]] == [f"{0xFEED:032x}"]


def test_increase_sees_what_was_counted_before_the_first_scrape(scraped):
    found = scraped.value(f'increase({requests.REQUESTS.name}{{job="native",outcome="ok"}}[1h])')

    assert found is not None
    assert found >= 1000


def test_types_and_help_arrive(scraped):
    metadata = scraped.ask("metadata", metric=DURATION.name)[DURATION.name]

    assert {entry["type"] for entry in metadata} == {"histogram"}
    assert {entry["help"] for entry in metadata} == {DURATION.help}
