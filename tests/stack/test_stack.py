"""`docker compose up`: healthy, hardened, on loopback; an alert arrives, traces stay, nothing is left."""

import base64
import json
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request

import pytest

ONCE = {"prepare"}
"""They do their work and end."""
HEALTHY_WITHIN = 90
"""Seconds."""


def fetched(url, *, user=None, timeout=10):
    request = urllib.request.Request(url)
    if user is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def until(ask, seconds):
    """The first answer that says something."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = ask()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            answer = None
        if answer:
            return answer
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.5)


def of_prometheus(expression):
    document = fetched("http://127.0.0.1:9090/api/v1/query?query=" + urllib.request.quote(expression))
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in document["data"]["result"]}


def traces():
    document = fetched("http://127.0.0.1:16686/api/traces?service=gateway&limit=20&lookback=1h")
    return {one["traceID"]: one for one in document["data"] or []}


def test_everything_is_healthy_in_time(stack):
    containers = stack.inspected()

    states = {name: one["State"] for name, one in containers.items()}
    assert {name for name, state in states.items() if state["Status"] == "exited"} == ONCE
    assert all(states[name]["ExitCode"] == 0 for name in ONCE)
    checked = {name: state["Health"]["Status"] for name, state in states.items() if "Health" in state}
    assert set(checked) == set(states) - ONCE - {"load"}
    assert set(checked.values()) == {"healthy"}
    assert stack.seconds <= HEALTHY_WITHIN


def test_nothing_runs_as_root_writes_to_its_image_or_may_do_more_than_it_needs(stack):
    for name, container in stack.inspected().items():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["ReadonlyRootfs"], name
        assert 0 < host["Memory"] <= 2 << 30, name
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}, name
        if name not in ONCE:
            assert container["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name
            assert not host["CapAdd"], name


def test_ports_are_on_loopback_only(stack):
    bound = [
        binding["HostIp"]
        for container in stack.inspected().values()
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    ]

    assert len(bound) >= 9
    assert set(bound) == {"127.0.0.1"}


def test_grafana_has_a_password_of_its_own_and_strangers_only_look(stack):
    said = stack.compose("logs", "--no-log-prefix", "prepare")
    password = stack.compose(*said.splitlines()[0].partition("docker compose ")[2].split())

    assert len(password) >= 32
    assert password not in said
    role = "http://127.0.0.1:3000/api/org/role"
    assert fetched(role) == {"role": "Viewer"}
    assert fetched(role, user=f"admin:{password}") == {"role": "Admin"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetched(role, user="admin:admin")


def test_grafana_has_its_boards_and_reaches_its_sources(stack):
    boards = {board["uid"] for board in fetched("http://127.0.0.1:3000/api/search")}

    assert {"inferometer-fleet", "inferometer-model", "inferometer-cost"} <= boards
    for uid in ("prometheus", "jaeger"):
        health = f"http://127.0.0.1:3000/api/datasources/uid/{uid}/health"
        assert until(lambda url=health: fetched(url), 30)["status"] == "OK"


def test_requests_of_the_fleet_are_counted_and_traced(stack):
    def counted():
        served = of_prometheus('sum by (service) (inference_requests_total{service!=""}) > 20')
        return {dict(labels)["service"] for labels in served} >= {"gateway", "embedder"}

    def traced():
        shown = [process["serviceName"] for trace in traces().values() for process in trace["processes"].values()]
        return {"gateway", "embedder"} <= set(shown)

    # Not all requests of the gateway are the embedder's, and each service sends its own spans.
    assert until(counted, 60)
    assert until(traced, 60)


def test_a_trace_is_there_after_jaeger_starts_again(stack):
    kept = next(iter(until(traces, 60)))
    stack.compose("restart", "--timeout", "10", "jaeger")

    (trace,) = until(lambda: fetched(f"http://127.0.0.1:16686/api/traces/{kept}")["data"], 60)
    assert trace["traceID"] == kept


def test_a_fault_of_the_fleet_arrives_as_an_alert(stack):
    """With rules whose windows are 60 times shorter, made from the same fleet.yaml, in a folder that CONFIG names."""
    made = stack.folder / "short"
    stack.compose(
        "run", "--rm", "--no-deps", "--user", "0:0", "--volume", f"{stack.folder}:/checkout", "--entrypoint",
        "inferometer", "alerts", "generate", "--config", "/checkout/examples/fleet.yaml", "--out",
        "/checkout/short", "--time-scale", "60",
    )  # fmt: skip
    stack.compose("up", "--detach", "--wait", "prometheus", "alertmanager", timeout=120, CONFIG=str(made))
    switch = (
        "import httpx; httpx.post('http://127.0.0.1:8000/control/fault', json={'name': 'errors'}).raise_for_status()"
    )
    stack.compose("exec", "embedder", "python3", "-c", switch)

    def arrived():
        alerts = fetched("http://127.0.0.1:9099/alerts")
        pages = [one for one in alerts if one["labels"].get("severity") == "page"]
        return [one for one in pages if one["name"].startswith("InferenceBudgetBurn")]

    (page, *_) = until(arrived, 90)
    assert page["labels"]["slo"]


def test_what_each_service_needs(stack):
    lines = stack.engine.listed("stats", "--no-stream")

    used = {line["Name"]: (line["MemUsage"], line["CPUPerc"]) for line in lines}
    lines = (f"{name:32} {memory:>24} {cpu:>8}" for name, (memory, cpu) in sorted(used.items()))
    sys.stdout.write("\n" + "\n".join(lines))
    assert len(used) == len(stack.inspected()) - len(ONCE)


def test_nothing_is_left(stack):
    stack.compose("down", "--volumes", "--timeout", "5")

    mine = ("--filter", "label=com.docker.compose.project=inferometer")
    assert stack.engine.listed("ps", "--all", *mine) == []
    assert stack.engine.listed("volume", "ls", *mine) == []
    assert stack.engine.listed("network", "ls", *mine) == []


def test_a_port_that_is_taken_is_named_and_nothing_is_started(inferometer):
    with socket.create_server(("127.0.0.1", 9093)):
        code, said, errors = inferometer("up")

    assert code == 2
    assert "127.0.0.1:9093  for alertmanager" in errors
    assert "nothing was started" in errors
    assert inferometer("status")[0] == 1
    assert said.count("\n") == 1


def test_our_own_commands_start_it_say_how_it_is_and_end_it(inferometer):
    code, said, errors = inferometer("up")

    assert code == 0, said + errors
    sys.stdout.write("\n" + said)
    assert re.search(r"\d s  grafana +healthy", said)
    assert re.search(r"boards +http://127.0.0.1:3000", said)
    code, said, _ = inferometer("status", "--json")
    assert code == 0
    rows = {one["name"]: one for one in json.loads(said)["services"]}
    assert rows["sidecar"]["ports"] == ["127.0.0.1:9464", "127.0.0.1:9465"]
    assert {one["well"] for one in rows.values()} == {True}
    assert inferometer("status")[1].splitlines()[0].split()[0] == "service"
    assert "sidecar" in inferometer("logs", "sidecar", "--tail", "3")[1]
    inferometer.engine.docker("kill", "inferometer-jaeger-1")
    code, said, _ = inferometer("status")
    assert code == 1
    assert "failed with 137" in said
    assert inferometer("down", "--volumes")[:2] == (0, "stopped; nothing is left\n")
    assert inferometer("status")[0] == 1


def test_a_service_that_does_not_become_healthy_is_named_with_its_last_words(inferometer):
    wrong = inferometer.folder / "wrong"
    shutil.copytree(inferometer.folder / "compose" / "config", wrong)
    (wrong / "prometheus" / "prometheus.yml").write_text("scrape_configs: 3\n")
    code, _, errors = inferometer("up", "--config", str(wrong), "--wait", "60s")
    inferometer("down", "--volumes")

    assert code == 1
    assert "prometheus" in errors
    assert "cannot unmarshal" in errors
