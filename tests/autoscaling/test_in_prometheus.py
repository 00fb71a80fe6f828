"""The questions in the real Prometheus: load that comes and goes, and how many replicas Kubernetes makes of it."""

import http.server
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from free_ports import free_port
from hpa import Metric, desired
from ruamel.yaml import YAML

from inferometer_alerts import scaled_objects
from inferometer_alerts.generation import files

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.processes]

PROGRAM = Path(__file__).parents[2] / ".tools/bin/prometheus"
SCALE = 60
"""Windows of a minute are four seconds: no window is shorter than four scrapes."""
DEADLINE = 40.0


@dataclass
class Replicas:
    """What the replicas of the embedder, and the gateway before the llm, show on one page."""

    queued: list[int] = field(default_factory=lambda: [0])
    in_flight: list[int] = field(default_factory=lambda: [0])
    seconds: float = 0.05
    """How long each request takes; ten come between two scrapes."""
    bad: int = 0
    """Of those ten."""
    chats: bool = False
    llm: bool = False
    answered: int = 0
    failed: int = 0
    chatted: int = 0
    buckets: dict[float, int] = field(default_factory=lambda: dict.fromkeys((0.1, 0.25, 0.5, 1.0), 0))

    def page(self) -> str:
        self.answered += 10
        self.failed += self.bad
        self.chatted += self.chats
        for le in self.buckets:
            self.buckets[le] += 10 * (self.seconds <= le)
        of = 'service="embedder",model="minilm"'
        lines = [
            *(f'inference_queue_depth{{{of},region="r{n}"}} {value}' for n, value in enumerate(self.queued)),
            *(
                f'inference_requests_in_flight{{service="embedder",region="r{n}"}} {value}'
                for n, value in enumerate(self.in_flight)
            ),
            *(f'inference_request_duration_seconds_bucket{{{of},le="{le}"}} {n}' for le, n in self.buckets.items()),
            f'inference_request_duration_seconds_bucket{{{of},le="+Inf"}} {self.answered}',
            f"inference_request_duration_seconds_count{{{of}}} {self.answered}",
            f"inference_request_duration_seconds_sum{{{of}}} {self.answered * self.seconds}",
            *(
                f'inference_slo_events_total{{{of},slo="embedder-minilm-available",result="{result}"}} {value}'
                for result, value in (("good", self.answered - self.failed), ("bad", self.failed))
            ),
            f'inference_requests_total{{service="gateway",model="/chat",outcome="ok"}} {self.chatted}',
            'inference_requests_in_flight{service="gateway"} 0',
        ]
        if self.llm:
            lines.append('inference_queue_depth{service="llm",model="llama-8b"} 0')
        return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def load():
    return Replicas()


@pytest.fixture(scope="module")
def whole_fleet():
    from scaled_fleet import fleet_text  # noqa: PLC0415 - of this folder

    from inferometer.fleet.loader import loads  # noqa: PLC0415 - beside it

    return loads(fleet_text())


@pytest.fixture(scope="module")
def ask(tmp_path_factory, load, whole_fleet):
    """Asks as KEDA does: the value of the one element, None without one."""
    assert PROGRAM.is_file(), "prometheus is missing; run `make tools`"

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = load.page().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    for name, content in files(whole_fleet, time_scale=SCALE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    target = [{"targets": [f"127.0.0.1:{server.server_port}"]}]
    (folder / "prometheus/targets/inferometer.json").write_text(json.dumps(target))
    for other in ("prometheus", "alertmanager"):
        (folder / f"prometheus/targets/{other}.json").write_text("[]")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROGRAM, f"--config.file={folder}/prometheus/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--query.lookback-delta=5s", "--log.level=warn",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield lambda query: _value(port, query)
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
            server.server_close()


def _value(port: int, query: str) -> float | None:
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return None
    assert len(found) <= 1, "KEDA refuses an answer of two elements"
    return float(found[0]["value"][1]) if found else None


@pytest.fixture
def replicas_for(ask, whole_fleet):
    """Replicas that Kubernetes would ask for, of an autoscaler as it was generated."""

    def of(service: str, now: int) -> int:
        (made,) = scaled_objects.objects(whole_fleet, service)
        spec = made["spec"]
        metrics = [
            Metric.of(ask(trigger["metadata"]["query"]), float(trigger["metadata"]["threshold"]), trigger["metricType"])
            for trigger in spec["triggers"]
        ]
        return desired(metrics, now, low=spec["minReplicaCount"], high=spec["maxReplicaCount"])

    return of


def eventually(ask, wanted):
    deadline = time.monotonic() + DEADLINE
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_load_that_comes_and_goes_scales_as_its_targets_say(load, replicas_for):
    """Two wait per replica, eight are open: thirteen that wait in three replicas are for seven."""
    load.queued, load.in_flight = [6, 4, 3], [8, 8, 8]
    assert eventually(lambda: replicas_for("embedder", 3), 7) == 7

    load.queued, load.in_flight = [0, 0, 0], [9, 8, 7, 8, 4, 4]
    assert eventually(lambda: replicas_for("embedder", 7), 5) == 5

    load.queued, load.in_flight = [0], [1]
    # 99 % take less than 100 ms where 250 ms are right: two fifths of five, and then of two.
    assert eventually(lambda: replicas_for("embedder", 5), 2) == 2
    assert eventually(lambda: replicas_for("embedder", 2), 1) == 1

    load.queued = [500]
    assert eventually(lambda: replicas_for("embedder", 1), 8) == 8, "the most that the file allows"
    load.queued = [0]


def test_slow_answers_double_the_replicas_at_most(load, replicas_for):
    load.queued, load.in_flight, load.seconds = [0], [1], 0.9
    assert eventually(lambda: replicas_for("embedder", 3), 6) == 6

    load.seconds = 0.05
    assert eventually(lambda: replicas_for("embedder", 3), 2) == 2, "99 % within 100 ms, where 250 ms are right"


def test_nobody_goes_while_a_budget_burns(load, replicas_for):
    load.queued, load.in_flight, load.seconds, load.bad = [0], [1], 0.05, 5
    assert eventually(lambda: replicas_for("embedder", 6), 6) == 6
    assert eventually(lambda: replicas_for("embedder", 2), 2) == 2, "and nobody comes for it"

    load.bad = 0
    assert eventually(lambda: replicas_for("embedder", 6), 3) == 3


def test_who_asks_wakes_a_model_that_sleeps(load, replicas_for, ask, whole_fleet):
    (made,) = scaled_objects.objects(whole_fleet, "llm")
    questions = {trigger["name"]: trigger["metadata"]["query"] for trigger in made["spec"]["triggers"]}

    def active() -> set[str]:
        return {name for name, query in questions.items() if (ask(query) or 0) > 0}

    assert eventually(lambda: ask(questions["queue"]), 0.0) == 0.0, "asleep, and nobody asks: none waits"
    assert active() == set()

    load.chats = True
    assert eventually(active, {"wanted"}) == {"wanted"}
    assert eventually(lambda: ask(questions["queue"]), None) is None, "asked for and not there yet: nobody knows"
    assert replicas_for("llm", 1) == 1

    load.llm = True
    assert eventually(lambda: ask(questions["queue"]), 0.0) == 0.0
    load.chats = load.llm = False
    assert eventually(active, set()) == set()


def test_lost_replicas_take_nobody_away(load, replicas_for, ask):
    """The page loses the embedder's queue: an autoscaler that read 0 of it would go to one replica."""
    load.queued, load.in_flight = [6, 4, 3], [1]
    assert eventually(lambda: replicas_for("embedder", 7), 7) == 7

    load.queued = []
    assert eventually(lambda: ask('max(model:queue_depth:sum1m{service="embedder"})'), None) is None
    assert replicas_for("embedder", 7) == 7
    load.queued = [0]


def test_the_configuration_is_the_one_of_production(whole_fleet):
    """Only the scale differs: the rules under test are those that are generated."""
    rules = YAML(typ="safe").load(files(whole_fleet)["prometheus/rules/autoscaling.yml"])

    assert [group["name"] for group in rules["groups"]] == ["autoscaling"]
    assert {rule["record"] for rule in rules["groups"][0]["rules"]} >= {"model:burning:any", "model:wanted:any"}
