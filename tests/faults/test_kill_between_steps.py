"""Killed a hundred times, after every step of a pass in turn: a real Prometheus never sees a counter go back."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from forked_sidecar import ForkedSidecar
from free_ports import free_port
from prometheus_server import Prometheus, eventually
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds_file import dumps

KILLS = 100
STEPS = ("absorbed", "committed", "written", "synced", "renamed", "published", "acknowledged")
"""Of a pass, in their order."""
PASSES = 3
CONFIGURATION = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: sidecar
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
    scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
COUNTERS = '{job="sidecar",__name__=~".+_(total|count|sum|bucket)"}'
HISTOGRAM = f'{requests.REQUEST_DURATION.name}{{job="sidecar"}}'


def trial(folder: Path) -> Row:
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    port = free_port()
    sidecar = ForkedSidecar(folder, "--metrics-port", str(port))
    prometheus = Prometheus(folder / "prometheus", CONFIGURATION.format(port=port))
    worker = Worker(folder / "sidecar.sock", per_frame=5)
    died: Counter[str] = Counter()
    otherwise: list[int] = []
    try:
        worker.thread.start()
        for number in range(KILLS):
            after = 1 + number % len(STEPS) + len(STEPS) * (number // len(STEPS) % PASSES)
            sidecar.start(die_after=after)
            if (ended := sidecar.reap()) == -signal.SIGKILL:
                died[STEPS[number % len(STEPS)]] += 1
            else:
                otherwise.append(ended)
        sidecar.start()
        worker.finish()
        sent = len(worker.spans)
        counted = f'sum({requests.REQUESTS.name}{{job="sidecar",outcome="ok"}})'
        eventually(lambda: prometheus.value(counted) == sent)
        names = (requests.REQUESTS, telemetry.RECORDS, requests.SLO_EVENTS)
        last = {entry.name: prometheus.value(f'sum({entry.name}{{job="sidecar"}})') for entry in names}
        last["native"] = prometheus.value(f"sum(histogram_count({HISTOGRAM}))")
        last["classic"] = prometheus.value(f'sum({requests.REQUEST_DURATION.name}_count{{job="sidecar"}})')
        series = prometheus.value(f"count({COUNTERS})") or 0
        # One metric at a time: resets() drops the name, and series of two metrics would be the same.
        metrics = sorted(one["metric"]["__name__"] for one in prometheus.ask(f"group by (__name__) ({COUNTERS})") or [])
        fell = [name for name in metrics if prometheus.value(f'max(resets({name}{{job="sidecar"}}[1h]))') != 0]
        native = prometheus.value(f"max(resets({HISTOGRAM}[1h]))")
        samples = prometheus.value(f'max(count_over_time({telemetry.RECORDS.name}{{job="sidecar"}}[1h]))') or 0
        status = sidecar.terminate()
    finally:
        prometheus.close()
        sidecar.close()
    return Row(
        fault="kill -9 between steps",
        done=f"{KILLS} kills, after each of the {len(STEPS)} steps of one of the first {PASSES} passes of a life, "
        "scraped by a real Prometheus",
        holds={
            f"it died {KILLS} times, after every step": died.total() == KILLS and set(died) == set(STEPS),
            "the last raw value of every counter is the truth": set(last.values()) == {float(sent)},
            "resets() = 0 for every counter and classic histogram": series > 100 and not fell,
            "resets() = 0 for the native histogram": native == 0,
            "it was scraped between the kills": samples > KILLS / 2,
            "it ended well": status == 0,
        },
        seen=f"{sent} requests; {series:.0f} series of {len(metrics)} metrics; {samples:.0f} samples of each; "
        f"last values {last}; fell: {fell}"
        + (f"; ended otherwise: {otherwise}, saying {sidecar.log[-500:]!r}" if otherwise else ""),
    )


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.timeout(1200)
def test_prometheus_never_sees_a_counter_go_back(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
