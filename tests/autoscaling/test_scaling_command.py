"""``inferometer slo scaling``: signals and what they are now, cold starts as declared and as measured."""

import http.server
import json
import threading
import urllib.parse

import pytest
from scaled_fleet import fleet_text

from inferometer.errors import InferometerError
from inferometer_compose.commands import slo_scaling


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(fleet_text())
    return path


@pytest.fixture
def prometheus():
    """A server that knows 12 who wait, latencies of 1.5 times the target, and cold starts of 200 s."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["query"][0]
            known = {"queue_depth": "12", "p99": "1.5", "cold_start": "200"}
            value = next((value for word, value in known.items() if word in query), None)
            result = [] if value is None else [{"metric": {}, "value": [0, value]}]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name of the base class

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_without_prometheus_it_says_what_is_declared(config, capsys):
    assert slo_scaling.run("llm", config, "", json=False) == 0

    said = capsys.readouterr().out
    assert said.startswith("llm llama-8b: 0 to 4 replicas of the Deployment llm, by KEDA\n")
    assert "  queue        5 requests wait per replica\n" in said
    assert "  cold start declared\n" in said
    assert "A request that finds nobody there waits up to 2m15s." in said


def test_prometheus_says_what_it_is_now(config, prometheus, capsys):
    assert slo_scaling.run("embedder", config, prometheus, json=False) == 0

    said = capsys.readouterr().out
    assert "2 requests wait per replica; now 12 of all, for 6 replicas\n" in said
    assert "99 % of requests take 250ms or less; now 1.50 times that\n" in said
    assert "8 requests are open per replica\n" in said, "nobody tells it, and nothing is guessed"
    assert "cold start measured" in said
    assert "waits up to 4m5s" in said


def test_json_has_the_same_figures(config, prometheus, capsys):
    assert slo_scaling.run("", config, prometheus, json=True) == 0

    embedder, llm = json.loads(capsys.readouterr().out)["models"]
    assert [signal["now"] for signal in embedder["signals"]] == [12.0, None, 1.5, None]
    assert llm["cold_start"]["measured"] is True
    assert llm["cold_start"]["seconds"] == 200.0
    assert llm["cold_start"]["usd_per_replica_hour"] == 5.98
    assert llm["cold_start"]["objectives"][0]["slo"] == "gateway-chat-available"


def test_who_does_not_scale_is_named(config):
    with pytest.raises(InferometerError, match="scales no service or model 'gateway'; it scales embedder, llm"):
        slo_scaling.run("gateway", config, "", json=False)


def test_a_fleet_without_autoscaling_says_so(config):
    lines = [line for line in fleet_text().splitlines() if "autoscaling:" not in line]
    config.write_text("\n".join(lines))

    with pytest.raises(InferometerError, match="declares no autoscaling"):
        slo_scaling.run("", config, "", json=False)
