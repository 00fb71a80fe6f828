"""Each fault of the chain is injected into a stack that works, and is the link that the doctor names first."""

import dataclasses
import http.client
import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inferometer.catalog import devices, engines, telemetry
from inferometer.fleet.loader import load
from inferometer_alerts.traffic_alerts import SCRAPE_JOB
from inferometer_compose import web
from inferometer_compose.doctor.chain import first_broken, walk
from inferometer_compose.doctor.link import State, Where
from inferometer_compose.stack import peers
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.local import LocalStack, Peers
from inferometer_compose.stack.peers import JaegerPorts
from inferometer_compose.stack.ports import Ports
from inferometer_compose.stack.process import Process, end_all
from inferometer_compose.stack.programs import ALERTMANAGER, JAEGER, PROMETHEUS, find

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
TIME_SCALE = 60


def program(requirement):
    found = find(requirement, [ROOT / ".tools/bin"], search_path="")
    if found.path is None:
        pytest.fail(f"{requirement.title}: {found.reason}; run `make tools`")
    return found


def eventually(ask, *, within_seconds=30):
    deadline = time.monotonic() + within_seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_seconds} s; last answer {answer!r}"
        time.sleep(0.2)
    return answer


class Grafana(http.server.BaseHTTPRequestHandler):
    """The three questions that Grafana documents and the doctor asks."""

    sick: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    def do_GET(self):
        uid = self.path.split("/")[-2]
        sick = uid in type(self).sick
        body = json.dumps({"status": "ERROR", "message": "connection refused"} if sick else {"status": "OK"}).encode()
        self.send_response(404 if uid in type(self).unknown else 400 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """The demo's fleet with prices of today: those of a release grow old with it."""
    file = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
    file.write_text(re.sub(r"as_of: [0-9-]+", f"as_of: {datetime.now(UTC).date()}", demo_fleet().read_text()))
    return file


@pytest.fixture(scope="module")
def stack(tmp_path_factory, fleet):
    """The demo's stack under a little load, with everything whole."""
    folder = tmp_path_factory.mktemp("doctor")
    programs = Peers(prometheus=program(PROMETHEUS), alertmanager=program(ALERTMANAGER), jaeger=program(JAEGER))
    with LocalStack(folder, programs, time_scale=TIME_SCALE) as stack:
        configuration = generate(fleet, folder / "config", time_scale=TIME_SCALE, addresses=stack.addresses)
        stack.start_peers(configuration)
        stack.start_fleet(configuration)
        stack.start_load(rate_per_second=10, seconds=280)
        yield stack


@pytest.fixture(scope="module")
def where(stack):
    """Where everything is; asked when everything has been through once."""
    with serving(type("Healthy", (Grafana,), {})) as grafana:
        found = Where(
            metrics=f"http://127.0.0.1:{stack.sidecar.metrics}/metrics",
            api=stack.api,
            prometheus=stack.up["prometheus"],
            jaeger=stack.up["jaeger"],
            grafana=grafana,
            fleet=load(demo_fleet()),
            time_scale=TIME_SCALE,
            environment={"INFEROMETER_SIDECAR": f"unix://{stack.socket}"},
        )

        def through():
            seen = {(link.name, link.state) for link in walk(dataclasses.replace(found))}
            return {("traces", State.WHOLE), ("scrape", State.WHOLE)} <= seen

        eventually(through, within_seconds=60)
        yield found


@pytest.fixture
def examined(where):
    """Walks the chain with some of it elsewhere; the links by name, and the first broken one."""

    def walked(**elsewhere):
        links = list(walk(dataclasses.replace(where, **elsewhere)))
        return {link.name: link for link in links}, first_broken(links)

    return walked


@pytest.fixture
def prometheus(stack, tmp_path):
    """Starts another Prometheus with the stack's configuration, changed."""
    started = []

    def start(change=None, *, without=""):
        folder = tmp_path / f"prometheus-{len(started)}"
        addresses = stack.addresses
        made = generate(demo_fleet(), folder, time_scale=TIME_SCALE, addresses=addresses)
        if change is not None:
            change(folder / "prometheus")
        port = Ports().take(0, "")
        command = peers.prometheus(
            program(PROMETHEUS).path, port=port, config=made.prometheus, data=folder / "data", time_scale=TIME_SCALE
        )
        arguments = [one for one in command.arguments if not without or without not in one]
        process = Process(dataclasses.replace(command, arguments=arguments), tmp_path)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: web.answers(f"{url}/-/ready"), within_seconds=20)
        return url

    yield start
    end_all(started, within_seconds=10)


@pytest.fixture
def alertmanager(tmp_path):
    """Starts another Alertmanager with a configuration of ours."""
    started = []

    def start(config):
        folder = tmp_path / f"alertmanager-{len(started)}"
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(json.dumps(config))
        port = Ports().take(0, "")
        command = peers.alertmanager(
            program(ALERTMANAGER).path,
            port=port,
            config=folder / "alertmanager.yml",
            data=folder / "data",
            time_scale=60,
        )
        process = Process(command, tmp_path)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: web.answers(f"{url}/-/ready"), within_seconds=20)
        return url

    yield start
    end_all(started, within_seconds=10)


def nobody():
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def telling(url):
    """Makes Prometheus tell that Alertmanager only."""
    return lambda folder: (folder / "targets/alertmanager.json").write_text(
        json.dumps([{"targets": [url.removeprefix("http://")]}])
    )


def written(folder, old, new):
    file = folder / "prometheus.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def settled(examined, **elsewhere):
    """Walked again until Prometheus has scraped once: before that a target is neither up nor down."""
    return eventually(lambda: (seen := examined(**elsewhere))[0]["scrape"].state is State.WHOLE and seen)


def test_a_stack_that_works_has_nothing_to_mend(examined):
    links = {}

    def whole():
        """The newest trace may be on its way."""
        links.clear()
        links.update(examined()[0])
        return {link.state for link in links.values()} == {State.WHOLE}

    with suppress(AssertionError):
        eventually(whole)
    assert [link for link in links.values() if link.state is not State.WHOLE] == []
    assert set(links) == {
        "socket", "sidecar", "workers", "prices", "prometheus", "scrape", "format", "exemplars", "thresholds", "rules",
        "alertmanager", "routes", "receivers", "jaeger", "traces", "grafana", "datasource",
    }  # fmt: skip


def test_a_socket_that_nobody_listens_on(examined, tmp_path):
    _, first = examined(environment={"INFEROMETER_SIDECAR": f"unix://{tmp_path}/none.sock"})

    assert first.name == "socket"
    assert "nobody listens" in first.says


def test_a_sidecar_that_does_not_run(examined):
    _, first = examined(metrics=f"{nobody()}/metrics")

    assert first.name == "sidecar"
    assert "inferometer sidecar" in first.cure


def test_a_service_that_is_not_hooked(examined, tmp_path):
    ports = Ports()
    metrics, api = ports.take(0, ""), ports.take(0, "")
    command = [
        sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(tmp_path / "s"), "--state",
        str(tmp_path / "state"), "--metrics", f"127.0.0.1:{metrics}", "--api", f"127.0.0.1:{api}", "--otlp-grpc", "off",
        "--otlp-http", "off",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sidecar:
        url = f"http://127.0.0.1:{metrics}/metrics"
        eventually(lambda: web.answers(url))
        _, first = examined(metrics=url)
        sidecar.terminate()

    assert first.name == "workers"
    assert "import inferometer.auto" in first.cure


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f'{telemetry.HOOK_STATE.name}{{service="shop",hook="fastapi",status="failed"}} 1', "hooks"),
        (f'{telemetry.REFUSALS.name}{{port="frames",reason="unauthorized"}} 3', "refusals"),
        (f'{telemetry.DROPS.name}{{component="worker",reason="full"}} 3', "drops"),
        (f'{engines.UP.name}{{service="chat",region="",replica="chat:8000"}} 0', "engine pages"),
        (f'{engines.UNKNOWN.name}{{service="chat",region="",replica="chat:8000"}} 2', "engine names"),
        (f'{devices.UNPRICED.name}{{device="gpu-7"}} 12', "prices"),
        (f'{devices.PRICE_AS_OF.name}{{device="gpu-7"}} {{half_a_year_ago}}', "prices"),
    ],
)
def test_what_the_sidecar_itself_says_is_wrong(examined, where, line, name):
    with urllib.request.urlopen(where.metrics, timeout=10) as answer:
        line = line.replace("{half_a_year_ago}", str(time.time() - 181 * 86_400))
        page = answer.read() + line.encode() + b"\n"

    class Page(Grafana):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    with serving(Page) as url:
        _, first = examined(metrics=f"{url}/metrics")

    assert first.name == name


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_clock_that_is_off(examined, seconds):
    _, first = examined(clock=lambda: time.time() + seconds)

    assert first.name == "clock"
    assert re.search(rf"[56]\d s {'behind' if seconds > 0 else 'ahead of'} this host's", first.says)


def test_a_prometheus_that_does_not_run(examined):
    _, first = examined(prometheus=nobody())

    assert first.name == "prometheus"


def test_a_sidecar_that_is_no_target(examined, prometheus):
    url = prometheus(lambda folder: (folder / f"targets/{SCRAPE_JOB}.json").write_text("[]"))
    _, first = examined(prometheus=url)

    assert first.name == "scrape"
    assert "no target" in first.says


def test_a_target_that_cannot_be_reached(examined, prometheus):
    away = json.dumps([{"targets": [nobody().removeprefix("http://")]}])
    url = prometheus(lambda folder: (folder / f"targets/{SCRAPE_JOB}.json").write_text(away))
    links, first = eventually(lambda: (seen := examined(prometheus=url))[0]["scrape"].says.count("refused") and seen)

    assert first.name == "scrape"
    assert "format" not in links


def test_a_scrape_as_text(examined, prometheus):
    def as_text(folder):
        written(folder, "      - PrometheusProto\n      - OpenMetricsText1.0.0\n", "")
        written(folder, "    scrape_native_histograms: true\n", "")

    _, first = settled(examined, prometheus=prometheus(as_text))

    assert first.name == "format"
    assert "no exemplar" in first.says


def test_exemplars_that_are_thrown_away(examined, prometheus):
    _, first = settled(examined, prometheus=prometheus(without="enable-feature"))

    assert first.name == "exemplars"
    assert "--enable-feature=exemplar-storage" in first.cure


def fleet_with(tmp_path, old, new):
    text = demo_fleet().read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "fleet.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load(file)


def test_a_threshold_that_no_bucket_ends_at(examined, tmp_path):
    _, first = examined(fleet=fleet_with(tmp_path, "threshold: 250ms", "threshold: 260ms"))

    assert first.name == "thresholds"
    assert "0.26 s of" in first.says


def test_rules_of_an_older_fleet(examined, tmp_path):
    _, first = examined(fleet=fleet_with(tmp_path, "target: 99.9", "target: 99.5"))

    assert first.name == "rules"
    assert "inferometer generate" in first.cure


def test_an_alertmanager_that_nobody_knows(examined, prometheus):
    url = prometheus(lambda folder: (folder / "targets/alertmanager.json").write_text("[]"))
    _, first = settled(examined, prometheus=url)

    assert first.name == "alertmanager"
    assert "knows no Alertmanager" in first.says


def test_an_alertmanager_that_does_not_run(examined, prometheus):
    _, first = settled(examined, prometheus=prometheus(telling(nobody())))

    assert first.name == "alertmanager"


def test_a_route_that_nobody_receives(examined, prometheus, alertmanager):
    config = {
        "route": {"receiver": "nobody", "routes": [{"receiver": "team", "matchers": ['severity="ticket"']}]},
        "receivers": [{"name": "nobody"}, {"name": "team", "webhook_configs": [{"url": nobody()}]}],
    }
    _, first = settled(examined, prometheus=prometheus(telling(alertmanager(config))))

    assert first.name == "routes"
    assert "severity page reach" in first.says


def test_a_receiver_that_fails(examined, prometheus, alertmanager):
    config = {
        "route": {"receiver": "team", "group_wait": "100ms", "group_interval": "1s"},
        "receivers": [{"name": "team", "webhook_configs": [{"url": nobody(), "timeout": "1s"}]}],
    }
    url = alertmanager(config)
    alert = json.dumps([{"labels": {"alertname": "Test", "severity": "page"}}]).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v2/alerts", alert, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == http.client.OK
    at = prometheus(telling(url))

    def named():
        links, first = settled(examined, prometheus=at)
        return first is not None and first.name == "receivers" and links

    links = eventually(named)
    assert "webhook" in links["receivers"].says
    assert links["routes"].state is State.WHOLE


def test_an_exemplar_whose_trace_is_gone(examined, tmp_path):
    ports = Ports()
    at = JaegerPorts(*(ports.take(0, "") for _ in range(5)))
    config = tmp_path / "jaeger.yaml"
    config.write_text(peers.jaeger_config(at))
    process = Process(peers.jaeger(program(JAEGER).path, config), tmp_path)
    try:
        process.wait_until(lambda: web.answers(f"http://127.0.0.1:{at.health}/status"), within_seconds=20)
        # Of what was sent a moment ago nobody can say that it is lost.
        first = eventually(lambda: examined(jaeger=f"http://127.0.0.1:{at.ui}")[1], within_seconds=100)
    finally:
        end_all([process], within_seconds=10)

    assert first.name == "traces"
    assert "--otlp" in first.cure


def test_a_jaeger_that_does_not_run(examined):
    _, first = examined(jaeger=nobody())

    assert first.name == "jaeger"


def test_a_data_source_that_is_not_healthy(examined):
    with serving(type("Sick", (Grafana,), {"sick": frozenset({"jaeger"})})) as url:
        _, first = examined(grafana=url)

    assert first.name == "datasource"
    assert "jaeger" in first.says
    assert "connection refused" in first.says


def test_a_store_of_every_region_that_does_not_answer(examined):
    with serving(type("Sick", (Grafana,), {"sick": frozenset({"thanos"})})) as url:
        _, first = examined(grafana=url)

    assert first.name == "datasource"
    assert "thanos" in first.says


def test_a_grafana_without_a_store_of_every_region_is_whole(examined):
    with serving(type("OneRegion", (Grafana,), {"unknown": frozenset({"thanos"})})) as url:
        links, _ = examined(grafana=url)

    assert links["datasource"].state is State.WHOLE


def test_a_grafana_that_was_named_and_does_not_run(examined):
    _, first = examined(grafana=nobody())

    assert first.name == "grafana"


def test_somebody_else_at_an_address_is_no_traceback(examined, where):
    links, first = examined(prometheus=where.grafana)

    assert first is None or first.name != "sidecar"
    assert "not understood" in links["scraping"].says
