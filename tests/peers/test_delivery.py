"""Alerts from the first bad request to the person: real Prometheus and Alertmanager, a minute as an hour."""

import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from free_ports import free_port
from told import Receivers, served

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, MODEL, RESULT, SERVICE, SLO
from inferometer.catalog.requests import DEVICE_SECONDS, SLO_EVENTS
from inferometer.fleet.loader import loads
from inferometer_alerts import recorded_slos
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import files
from inferometer_compose import web
from inferometer_compose.stack import peers
from inferometer_compose.stack.process import Process

pytestmark = [pytest.mark.alone, pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

TOOLS = Path(__file__).parents[2] / ".tools/bin"
SCALE = 60
FLEET = """
version: 1
fleet: delivery
team: platform
services:
  chat: {engine: fastapi, models: {llama: {objectives: [available, quick]}}}
  search: {engine: fastapi, team: search, models: {rank: {objectives: [available, quick]}}}
  upkeep: {engine: fastapi, models: {m: {objectives: [available]}}}
  steady: {engine: fastapi, models: {m: {objectives: [available]}}}
objectives:
  available: {sli: availability, target: 99.9, window: 30d}
  quick: {sli: latency, threshold: 250ms, target: 99, window: 30d}
maintenance: {always: {from: 00:00, to: 24:00, services: [upkeep]}}
receivers:
  oncall: {webhook: {url: "http://127.0.0.1:9/"}}
  tickets: {webhook: {url: "http://127.0.0.1:9/"}}
  searchers: {webhook: {url: "http://127.0.0.1:9/"}}
  watch: {webhook: {url: "http://127.0.0.1:9/"}}
routes: {page: oncall, ticket: tickets, heartbeat: watch, teams: {search: {page: searchers}}}
"""
SLOS = {
    "chat-llama-available": ("chat", "llama"),
    "chat-llama-quick": ("chat", "llama"),
    "search-rank-available": ("search", "rank"),
    "search-rank-quick": ("search", "rank"),
    "upkeep-m-available": ("upkeep", "m"),
    "steady-m-available": ("steady", "m"),
}
GPU = promql.equal(DEVICE, "GPU-1")
PER_SECOND = 50.0


def events(slo: str, result: str) -> str:
    service, model = SLOS[slo]
    of = (promql.equal(SERVICE, service), promql.equal(MODEL, model), promql.equal(SLO, slo))
    return promql.select(SLO_EVENTS, *of, promql.equal(RESULT, result)).text


class Sidecar:
    """A page whose counters rise with time, each at a rate that a test sets."""

    def __init__(self):
        self.per_second = {events(slo, result): 0.0 for slo in SLOS for result in ("good", "bad")}
        self.gauges = {promql.select(gpus.GPU_INFO, GPU).text: 1.0}
        work = (GPU, promql.equal(SERVICE, "chat"), promql.equal(MODEL, "llama"))
        self.per_second[promql.select(DEVICE_SECONDS, *work).text] = 0.5
        self._values = dict.fromkeys(self.per_second, 0.0)
        self._lock, self._then = threading.Lock(), time.monotonic()
        for slo in SLOS:
            self.bad(slo, 0.0)

    def bad(self, slo: str, share: float) -> None:
        self.per_second[events(slo, "good")] = PER_SECOND * (1 - share)
        self.per_second[events(slo, "bad")] = PER_SECOND * share

    def page(self) -> bytes:
        with self._lock:
            now = time.monotonic()
            for series, rate in self.per_second.items():
                self._values[series] += rate * (now - self._then)
            self._then = now
            shown = {**self._values, **self.gauges}
        return "".join(f"{series} {value}\n" for series, value in shown.items()).encode()


def until(condition: Callable[[], object], what: str, *, within: float = 60.0) -> object:
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


class Stack:
    """Prometheus and Alertmanager over the page, and everybody who is told."""

    def __init__(self, folder: Path):
        self.sidecar, self.told = Sidecar(), Receivers()
        self._servers = [served(self.sidecar.page, self.told.take), served(bytes, self.told.take)]
        self._folder, self._port = folder, free_port()
        page, inbox = (f"127.0.0.1:{server.server_address[1]}" for server in self._servers)
        self._prometheus_port = prometheus_port = free_port()
        here = Addresses(
            sidecars=(page,),
            prometheus=f"127.0.0.1:{prometheus_port}",
            alertmanager=f"127.0.0.1:{self._port}",
            inbox=inbox,
        )
        for name, content in files(loads(FLEET), time_scale=SCALE, addresses=here).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self.start_alertmanager()
        self._prometheus = Process(
            peers.prometheus(
                TOOLS / "prometheus",
                port=prometheus_port,
                config=folder / "prometheus/prometheus.yml",
                data=folder / "data",
                time_scale=SCALE,
            ),
            folder,
        )
        self._prometheus.wait_until(
            lambda: web.answers(f"http://127.0.0.1:{prometheus_port}/-/ready"), within_seconds=30
        )

    def start_alertmanager(self) -> None:
        command = peers.alertmanager(
            TOOLS / "alertmanager",
            port=self._port,
            config=self._folder / "alertmanager/alertmanager.yml",
            data=self._folder / "am",
            time_scale=SCALE,
        )
        self.alertmanager = Process(command, self._folder)
        self.alertmanager.wait_until(lambda: web.answers(f"http://127.0.0.1:{self._port}/-/ready"), within_seconds=30)

    def recorded(self, query: str) -> list[dict]:
        """What Prometheus answers now."""
        parameters = urllib.parse.urlencode({"query": query})
        found = web.get_json(f"http://127.0.0.1:{self._prometheus_port}/api/v1/query?{parameters}")
        return found["data"]["result"]

    def known(self, **labels: str) -> list[dict]:
        """What Alertmanager knows of alerts with these labels, held back or not."""
        found = web.get_json(f"http://127.0.0.1:{self._port}/api/v2/alerts?active=true&silenced=true&inhibited=true")
        return [alert for alert in found if labels.items() <= alert["labels"].items()]

    def end(self) -> None:
        self._prometheus.end(within_seconds=10)
        self.alertmanager.end(within_seconds=10)
        for server in self._servers:
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    for program in ("prometheus", "alertmanager"):
        if not (TOOLS / program).is_file():
            pytest.fail(f"{program} is missing; run `make tools`")
    made = Stack(tmp_path_factory.mktemp("delivery"))
    yield made
    made.end()


PAGE = "InferenceBudgetBurnPage"
FAILING = {"alertname": PAGE, "slo": "chat-llama-available"}
STEADY = {"alertname": PAGE, "slo": "steady-m-available"}
SLOW = {"alertname": PAGE, "slo": "chat-llama-quick"}


def test_the_heart_beats(stack):
    until(lambda: len(stack.told.of("watch", alertname="InferometerHeartbeat")) > 2, "three heartbeats")

    assert {message["receiver"] for message in stack.told.messages("watch")} == {"watch"}


def test_a_failing_model_pages_once_with_all_that_its_reader_needs_and_is_over_when_it_is_well(stack):
    # In production a budget is known for days before anything fails.
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, promql.equal(SLO, "chat-llama-available")).text
    until(lambda: stack.recorded(left), "that the budget is known")
    stack.sidecar.bad("chat-llama-available", 0.6)
    until(lambda: stack.told.of("oncall", **FAILING), "a page")

    _, page = stack.told.of("oncall", **FAILING)[0]
    assert page["labels"]["severity"] == "page"
    assert page["labels"]["team"] == "platform"
    assert "llama" in page["annotations"]["summary"]
    assert page["annotations"]["runbook_url"].endswith(f"/{PAGE}.md")
    started = time.time() * 1000
    shown = dict(pair.split("=") for pair in page["annotations"]["dashboard_url"].partition("?")[2].split("&"))
    assert int(shown["from"]) < started < int(shown["to"])
    assert (shown["var-service"], shown["var-model"]) == ("chat", "llama")
    assert "service=chat" in page["annotations"]["traces_url"]
    assert "of the error budget is left." in page["annotations"]["now"]

    stack.sidecar.bad("chat-llama-available", 0.0)
    until(lambda: stack.told.of("oncall", **FAILING)[-1][0] == "resolved", "the news that it is over")


def test_slower_legs_of_the_same_promise_wait_behind_the_fastest(stack):
    assert stack.told.of("oncall", **FAILING)
    assert not stack.told.of("tickets", alertname="InferenceBudgetBurnTicket", slo="chat-llama-available")
    # All legs of a promise are one message, not one each.
    groups = {message["groupKey"] for message in stack.told.messages("oncall")}
    assert len(groups) == 1


def test_a_team_of_its_own_gets_its_pages_and_nobody_else(stack):
    stack.sidecar.bad("search-rank-available", 0.6)
    until(lambda: stack.told.of("searchers", alertname=PAGE, slo="search-rank-available"), "a page for the team")
    stack.sidecar.bad("search-rank-available", 0.0)

    assert not stack.told.of("oncall", slo="search-rank-available")


def test_in_maintenance_nobody_is_told_though_it_fires(stack):
    stack.sidecar.bad("upkeep-m-available", 0.6)
    until(lambda: stack.known(alertname=PAGE, slo="upkeep-m-available"), "an alert that Alertmanager knows")
    # Longer than a group waits for more of its alerts: a message would have come.
    marker = len(stack.told.messages("watch"))
    until(lambda: len(stack.told.messages("watch")) > marker + 3, "three heartbeats")
    stack.sidecar.bad("upkeep-m-available", 0.0)

    assert not [m for m in stack.told.messages() if m["commonLabels"].get("service") == "upkeep"]


def test_a_lost_gpu_pages_and_keeps_the_latency_of_its_model_quiet_but_no_failures(stack):
    lost = promql.select(gpus.GPU_INFO, GPU).text
    del stack.sidecar.gauges[lost]
    until(lambda: stack.told.of("oncall", alertname="GpuLost", device="GPU-1"), "a page on the device")
    until(lambda: stack.known(alertname="InferenceDeviceTrouble", service="chat"), "that the model is known")

    _, page = stack.told.of("oncall", alertname="GpuLost", device="GPU-1")[-1]
    assert page["annotations"]["now"].strip() == "In the last hour it worked for chat llama."
    stack.sidecar.bad("chat-llama-quick", 0.9)
    stack.sidecar.bad("search-rank-quick", 0.9)
    until(
        lambda: [alert for alert in stack.known(**SLOW) if alert["status"]["inhibitedBy"]],
        "the latency of the model, held back",
    )
    until(lambda: stack.told.of("searchers", alertname=PAGE, slo="search-rank-quick"), "another model's latency")
    stack.sidecar.bad("chat-llama-available", 0.6)
    before = len(stack.told.of("oncall", **FAILING))
    until(lambda: len(stack.told.of("oncall", **FAILING)) > before, "failures of the model are told")

    assert not stack.told.of("oncall", **SLOW)
    assert not [m for m in stack.told.messages() if "InferenceDeviceTrouble" in str(m["alerts"])]
    stack.sidecar.gauges[lost] = 1.0
    for slo in SLOS:
        stack.sidecar.bad(slo, 0.0)
    until(lambda: stack.told.of("oncall", alertname="GpuLost")[-1][0] == "resolved", "the device is back")


def heartbeats_without_news(stack: Stack, service: str, count: int) -> bool:
    """Whether the last so many messages of all are heartbeats, and none is about a service."""
    last = stack.told.messages()[-2 * count :]
    about = [message["groupLabels"].get("service") for message in last]
    return service not in about and about.count(None) >= count


def news_of(message: dict) -> set[tuple[str, str, str]]:
    """What a message says: which alert of which start fires, or is over."""
    return {(alert["fingerprint"], alert["startsAt"], alert["status"]) for alert in message["alerts"]}


def test_after_a_restart_of_alertmanager_nobody_is_told_twice_and_the_end_is_told(stack):
    # A model without a past: what was over before is told again by Prometheus to whom it does not know.
    stack.sidecar.bad("steady-m-available", 0.6)
    until(lambda: stack.told.of("oncall", **STEADY), "a page")
    # It notes what it told after that was taken; who ends it in between is told again, rather than not at all.
    until(lambda: heartbeats_without_news(stack, "steady", 6), "that all is told")
    stack.alertmanager.end(within_seconds=10)
    before = stack.told.messages("oncall")
    told = {news for message in before for news in news_of(message)}

    stack.start_alertmanager()
    until(lambda: stack.known(**STEADY), "the alert is sent again")
    beats = len(stack.told.messages("watch"))
    until(lambda: len(stack.told.messages("watch")) > beats + 3, "three heartbeats")
    for message in stack.told.messages("oncall")[len(before) :]:
        assert message["groupLabels"]["service"] != "steady" or not news_of(message) <= told, message
    stack.sidecar.bad("steady-m-available", 0.0)

    until(lambda: stack.told.of("oncall", **STEADY)[-1][0] == "resolved", "the news that it is over")
