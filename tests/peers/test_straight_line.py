"""One run of the demo's stack with the real Prometheus, Alertmanager and Jaeger: every link of the line, end to end."""

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest

from inferometer.catalog import requests, spans
from inferometer.catalog.stages import Stage
from inferometer.fleet.loader import load
from inferometer_alerts.rule import Severity
from inferometer_alerts.slo_alerts import NAMES
from inferometer_compose import web
from inferometer_compose.demo.run import Plan, run
from inferometer_compose.faults import Fault
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.inbox import Delivered
from inferometer_compose.stack.local import LocalStack, Peers
from inferometer_compose.stack.programs import ALERTMANAGER, JAEGER, PROMETHEUS, Requirement, find
from inferometer_dashboards.live.views import views
from inferometer_dashboards.panels import RATE_INTERVAL, Kind, Panel, Show
from inferometer_dashboards.queries import expressions

pytestmark = [pytest.mark.alone, pytest.mark.peers, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
TIME_SCALE = 60
SECONDS = 60.0
RATE = 30.0
MICROSECOND = 1_000
EMPTY_HERE = {
    ("inferometer-slo", "forecast"): "no budget is used faster than it may be for a whole day",
    ("inferometer-llm", "usd-per-million-tokens"): "what streams tokens here runs on no device that is billed",
}
"""Panels that are empty though their series are there."""
FEWEST_SHOWN, FEWEST_BOARDS = 3, 9
CHILDREN = {spans.stage_span(stage): stage.label for stage in Stage}


def program(requirement: Requirement):
    found = find(requirement, [ROOT / ".tools/bin"], search_path="")
    if found.path is None:
        pytest.fail(f"{requirement.title}: {found.reason}; run `make tools`")
    return found


def eventually(what: str, ask: Callable[[], Any], *, within_seconds: float = 30) -> Any:
    """The first truthy answer; an assertion that says what did not come."""
    deadline = time.monotonic() + within_seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {within_seconds} s; last answer {answer!r}"
        time.sleep(0.2)
    return answer


@contextmanager
def chat(folder: Path, stack: LocalStack) -> Iterator[None]:
    """A service of another kind beside the demo's: it streams tokens, to somebody who asks all the time."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "INFEROMETER_SIDECAR": f"unix://{stack.socket}", "INFEROMETER_VERSION": "v1"}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(ROOT / "examples"),
        "--port",
        str(port),
        "streaming:app",
    ]
    log = (folder / "chat.log").open("wb")
    process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    ending = threading.Event()
    # A caller that is instrumented: what it calls is no request of the fleet's own.
    headers = {"traceparent": f"00-{7:032x}-{7:016x}-00", "tracestate": "inferometer=1"}

    def ask() -> None:
        while not ending.wait(0.1):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            with contextlib.suppress(OSError), contextlib.closing(client):
                client.request("POST", "/v1/chat/completions", headers=headers)
                client.getresponse().read()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ending.set()
        asking.join()
        process.terminate()
        process.wait(10)
        log.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A minute of load with the fault `errors`; the stack stays up for the questions of the tests."""
    folder = tmp_path_factory.mktemp("line")
    programs = Peers(prometheus=program(PROMETHEUS), alertmanager=program(ALERTMANAGER), jaeger=program(JAEGER))
    with LocalStack(folder, programs, time_scale=TIME_SCALE) as stack:
        configuration = generate(demo_fleet(), folder / "config", time_scale=TIME_SCALE, addresses=stack.addresses)
        stack.start_peers(configuration)
        stack.start_fleet(configuration)
        assert not [note for note in stack.notes if "without" in note]
        plan = Plan(seconds=SECONDS, rate_per_second=RATE, fault=Fault.ERRORS)
        with chat(folder, stack):
            # Windows that are compared end at whole multiples of `WHOLE`: here 38 s after the load began, so that the
            # fault (12 to 30 s) lies inside, whole. Where one ended with it a second made two different percentiles.
            time.sleep(-(time.time() + COMPARED) % WHOLE)
            under_load = time.time() + 0.8 * SECONDS
            outcome = run(stack, plan, lambda _: None)
        yield SimpleNamespace(
            stack=stack,
            outcome=outcome,
            under_load=under_load,
            prometheus=stack.up["prometheus"],
            jaeger=stack.up["jaeger"],
        )


def prometheus(line: SimpleNamespace, path: str, **parameters: str) -> Any:
    answer = web.get_json(f"{line.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout_seconds=10)
    assert answer["status"] == "success"
    return answer["data"]


def value(line: SimpleNamespace, query: str) -> float:
    result = prometheus(line, "query", query=query)["result"]
    return sum(float(series["value"][1]) for series in result)


def jaeger_spans(line: SimpleNamespace, trace_id: str) -> list[dict[str, Any]]:
    answer = web.fetch(f"{line.jaeger}/api/v3/traces/{trace_id}")
    if answer.status != 200:
        return []
    found = web.get_json(f"{line.jaeger}/api/v3/traces/{trace_id}")["result"]
    return [
        {**span, "service": next(a["value"]["stringValue"] for a in resource["resource"]["attributes"]
                                 if a["key"] == spans.SERVICE_NAME.name)}
        for resource in found["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]
    ]  # fmt: skip


def exemplar_traces(line: SimpleNamespace) -> set[str]:
    now = time.time()
    found = prometheus(
        line, "query_exemplars", query=f'{requests.REQUEST_DURATION.name}{{service="gateway"}}',
        start=str(now - 300), end=str(now),
    )  # fmt: skip
    return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}


@pytest.fixture(scope="module")
def followed(line) -> SimpleNamespace:
    """A trace that Prometheus has as an exemplar, with what Jaeger and the recorder have of it."""
    traces = eventually("an exemplar of the gateway in Prometheus", lambda: exemplar_traces(line))
    for trace_id in sorted(traces):
        recorded = web.get_json(f"{line.stack.api}/api/trace/{trace_id}")
        if len(recorded["hops"]) > 1:
            found = eventually("its trace in Jaeger", lambda asked=trace_id: jaeger_spans(line, asked))
            return SimpleNamespace(trace_id=trace_id, spans=found, recorded=recorded)
    raise AssertionError(f"none of {len(traces)} exemplars has hops in two services")


def test_every_request_of_the_load_is_in_the_recorder_and_in_the_counters_exactly_once(line):
    sent = line.outcome.sent["sent"]
    entries = f'sum({requests.REQUESTS.name}{{service="gateway",entry="true"}})'

    assert sent > RATE * SECONDS * 0.8
    assert line.outcome.figures.requests == sent
    eventually("all of them in Prometheus", lambda: value(line, entries) == sent)
    assert value(line, f"sum(resets({requests.REQUESTS.name}[5m]))") == 0


def test_outcomes_are_what_the_clients_saw(line):
    sent = line.outcome.sent
    failed = value(line, f'sum({requests.REQUESTS.name}{{service="gateway",entry="true",outcome="server_error"}})')

    assert sent["failed"] > 0
    assert failed == sent["failed"]


def test_an_exemplar_of_prometheus_opens_a_trace_in_jaeger_and_in_the_recorder(followed):
    assert followed.spans
    assert followed.recorded["trace_id"] == followed.trace_id


def test_stages_in_jaeger_are_ordered_disjoint_children_that_match_the_record_to_a_microsecond(followed):
    checked = 0
    for hop in followed.recorded["hops"]:
        (root,) = [span for span in followed.spans if span["spanId"] == hop["span_id"]]
        begin, end = int(root["startTimeUnixNano"]), int(root["endTimeUnixNano"])
        assert abs((end - begin) - round(hop["duration_seconds"] * 1e9)) <= MICROSECOND
        mine = [span for span in followed.spans if span.get("parentSpanId") == hop["span_id"]]
        stages = [span for span in mine if span["name"] in CHILDREN]
        children = sorted(stages, key=lambda span: int(span["startTimeUnixNano"]))
        for left, right in pairwise(children):
            assert int(left["endTimeUnixNano"]) < int(right["startTimeUnixNano"])
        recorded = {round(segment["start_seconds"] * 1e9): segment for segment in hop["segments"]}
        for child in children:
            start, stop = int(child["startTimeUnixNano"]) - begin, int(child["endTimeUnixNano"]) - begin
            segment = min(recorded.items(), key=lambda item: abs(item[0] - start))[1]
            assert CHILDREN[child["name"]] == segment["stage"]
            assert abs(start - round(segment["start_seconds"] * 1e9)) <= MICROSECOND
            length = segment["start_seconds"] + segment["duration_seconds"]
            assert abs(stop - round(length * 1e9)) <= MICROSECOND
            checked += 1
    assert checked >= 5


def test_stages_in_the_recorder_sum_to_the_duration_exactly(followed):
    for hop in followed.recorded["hops"]:
        assert sum(round(s * 1e9) for s in hop["stages"].values()) == round(hop["duration_seconds"] * 1e9)
        ends = [s["start_seconds"] + s["duration_seconds"] for s in hop["segments"]]
        assert ends[-1] == pytest.approx(hop["duration_seconds"], abs=1e-9)


def test_a_callee_is_a_child_of_the_attempt_that_called_it(followed):
    by_id = {span["spanId"]: span for span in followed.spans}
    (gateway,) = [hop for hop in followed.recorded["hops"] if hop["service"] == "gateway"]
    callees = [hop for hop in followed.recorded["hops"] if hop["service"] != "gateway"]

    for hop in callees:
        attempt = by_id[by_id[hop["span_id"]]["parentSpanId"]]
        assert attempt["kind"] in (3, "SPAN_KIND_CLIENT")
        assert attempt["parentSpanId"] == gateway["span_id"]


def test_the_fault_burns_the_budget_and_the_alert_arrives_and_resolves(line):
    def burning() -> list[Delivered]:
        return [alert for alert in line.stack.inbox.alerts() if alert.name == NAMES[Severity.PAGE]]

    pages = burning()

    assert pages, [alert.name for alert in line.stack.inbox.alerts()]
    eventually("every page resolved", lambda: all(alert.resolved_at for alert in burning()), within_seconds=90)
    # Slower legs of the same objective wait, inhibited, behind the faster one that fires.
    assert min(alert.received_at - alert.fired_at for alert in pages) < 10
    assert all(re.search(r"\d", alert.summary) for alert in pages), "a summary has values"


def selectors(expression: str) -> list[str]:
    """Every selector of a query, by itself."""
    found: list[str] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node.prettify())
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def test_a_query_of_a_panel_is_empty_only_where_the_demo_lacks_its_series(line):
    """A CPU host has no GPU and nobody cancels: but what is there is shown."""

    def something(query: str) -> bool:
        """At any moment of the load, or while the fleet started."""
        over = {"start": str(line.under_load - 2 * SECONDS), "end": str(line.under_load), "step": "2"}
        return bool(prometheus(line, "query_range", query=query, **over)["result"])

    shown, unexplained = Counter(), []
    for query in expressions(load(demo_fleet()), time_scale=TIME_SCALE):
        if something(query.expression):
            shown[query.board] += 1
        elif (query.board, query.panel) not in EMPTY_HERE and all(map(something, selectors(query.expression))):
            unexplained.append(f"{query.board} / {query.panel}: {query.expression}")

    assert not unexplained, "\n".join(unexplained)
    assert {board: number for board, number in shown.items() if number < FEWEST_SHOWN} == {}
    assert len(shown) >= FEWEST_BOARDS, shown


def test_the_ledger_adds_up_and_the_cost_of_requests_is_part_of_the_bill(line):
    devices = line.outcome.figures.devices

    assert devices
    assert all(abs(device.residual_ratio) <= 1e-9 for device in devices)
    spent = sum(tenant.usd for model in line.outcome.figures.costs for tenant in model.tenants.values())
    assert 0 < spent <= sum(device.bill_usd or 0 for device in devices)


WHOLE = 30
"""Seconds of the window in which Prometheus and the recorder are compared: whole multiples of it since the epoch."""
COMPARED = 38
"""Seconds after the load's begin at which these windows end."""
LATER = 20
"""The same of what the ledger says of devices: the window begins 20 s or more after the load. Before, the ledger waits
up to 5 s for workers that have nothing to say; where it catches up, a window has more money and time than its seconds.
"""
HOUR = 60
"""Seconds of what is an hour in production."""
RECORDED = "avg_over_time(({})[{}s:1s])"
SAME = [
    ("fleet", "models", WHOLE, 0.25),
    ("fleet", "requests", WHOLE, 0.25),
    ("fleet", "errors", WHOLE, 0.25),
    ("fleet", "devices", LATER, 0.1),
    ("model", "percentiles", WHOLE, 0.3),
    ("model", "stage-shares", WHOLE, 0.2),
    ("cost", "per-1k", HOUR, 0.25),
    ("cost", "per-1k-loaded", HOUR, 0.25),
    ("cost", "models", HOUR, 0.25),
    ("cost", "tenants", HOUR, 0.25),
    ("cost", "bill-now", LATER, 0.1),
    ("cost", "idle-now", HOUR, 0.25),
    ("cost", "prices", WHOLE, 0.01),
]
"""View, panel, seconds of its window, and by how much both may differ: a pass and a scrape lie a second apart."""


CHOSEN = {"service": "embedder", "model": "minilm"}
"""The model whose latency is compared."""


def in_prometheus(
    line: SimpleNamespace, panel: Panel, at: float, seconds: int, *, of_one: bool
) -> dict[tuple[str, ...], float]:
    """What a panel's queries say: value by query's legend and its labels' values."""
    found = {}
    for query in panel.promql:
        text = query.expr.text
        # Not all series have all labels that one chooses by.
        text = re.sub(r"\$(?!__)(\w+)", lambda match: CHOSEN.get(match[1], ".*") if of_one else ".*", text)
        raw = RATE_INTERVAL in text
        text = text.replace(RATE_INTERVAL, f"{seconds}s")
        # What rules recorded is of a shorter window; of money it is of this one.
        averaged = not raw and panel.unit not in {Show.USD, Show.USD_PER_HOUR} and panel.key != "idle-now"
        text = RECORDED.format(text, seconds) if averaged else text
        for series in prometheus(line, "query", query=text, time=str(at))["result"]:
            labels = {name: text for name, text in series["metric"].items() if name != "__name__"}
            legend = query.legend.split()[-1] if "{{" in query.legend and panel.key == "percentiles" else query.legend
            legend = legend if panel.kind is Kind.TABLE or panel.key == "percentiles" else ""
            found[(legend, *sorted(labels.values()))] = float(series["value"][1])
    return found


def on_the_page(
    line: SimpleNamespace, view: str, panel: Panel, at: float, seconds: int, step: int
) -> dict[tuple[str, ...], float]:
    """The same from the live page."""
    url = f"{line.stack.api}/live/view/{view}?from={at - seconds}&to={at}&step_seconds={step}"
    url += f"&{urllib.parse.urlencode(CHOSEN)}" if view == "model" else ""
    answer = next(one for one in web.get_json(url, timeout_seconds=30)["panels"] if one["key"] == panel.key)
    if panel.kind is Kind.STAT:
        return {("",): answer["value"]}
    if panel.kind is Kind.TABLE:
        names = [column["name"] for column in answer["columns"]]
        legends = [query.legend for query in panel.promql]
        return {
            (name, *sorted(str(text) for other, text in zip(names, row, strict=True) if other not in legends)): value
            for row in answer["rows"]
            for name, value in zip(names, row, strict=True)
            if name in legends and value is not None
        }
    return {
        (series["labels"].pop("quantile", ""), *sorted(series["labels"].values())): series["values"][-1]
        for series in answer["series"]
        if series["values"][-1] is not None
    }


@pytest.mark.parametrize(("view", "key", "seconds", "within"), SAME, ids=[f"{view}-{key}" for view, key, *_ in SAME])
def test_the_live_page_says_what_prometheus_says(line, view, key, seconds, within):
    panel = next(one for each in views() if each.key == view for one in each.panels if one.key == key)
    step = min(seconds, WHOLE)
    at = (line.under_load + 0.2 * SECONDS) // step * step
    assert at - step >= line.under_load - 0.8 * SECONDS
    expected, found = (
        in_prometheus(line, panel, at, step, of_one=view == "model"),
        on_the_page(line, view, panel, at, seconds, step),
    )
    # A mean of percentiles of short windows is no percentile of a long one, and cost is recorded over an hour: panels
    # of their own compare these.
    elsewhere = {"p99", "Cost per 1k"} if key == "models" and view == "fleet" else set()
    telling = {name: value for name, value in expected.items() if name in found and value > 1e-9}
    telling = {name: value for name, value in telling.items() if name[0] not in elsewhere}

    assert telling, (expected, found)
    for name, value in telling.items():
        # A mean of ratios of short windows is not the ratio of a long one, where failures come and go.
        # Where an idle device begins to work, two seconds of thirty make a difference.
        slack = 0.15 if "Failed" in name or key == "errors" else 0.07 if panel.unit is Show.RATIO else 0
        assert found[name] == pytest.approx(value, rel=within, abs=slack), name
