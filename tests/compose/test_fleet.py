"""The demo fleet answers real questions with real models, and has its faults when it is told to."""

import json
import time
from itertools import islice

import httpx
import pytest

from inferometer_compose import web
from inferometer_compose.faults import Fault
from inferometer_compose.fleet.corpus import TITLES
from inferometer_compose.load.recordings import recordings
from inferometer_compose.stack.fleet import SERVICES, service, url
from inferometer_compose.stack.ports import Ports
from inferometer_compose.stack.process import Process, end_all

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """All four services, whose frames nobody takes."""
    folder = tmp_path_factory.mktemp("fleet")
    ports = Ports()
    at = {name: ports.take(0, name) for name in SERVICES}
    processes = [Process(service(name, ports=at, socket=folder / "nobody.sock"), folder) for name in SERVICES]
    try:
        for process, port in zip(processes, at.values(), strict=True):
            process.wait_until(lambda port=port: web.answers(f"{url(port)}/healthz"), within_seconds=60)
        yield at
    finally:
        end_all(processes, within_seconds=10)


@pytest.fixture
def gateway(fleet):
    with httpx.Client(base_url=url(fleet["gateway"]), timeout=20) as client:
        yield client


@pytest.fixture
def fault(fleet):
    def order(name):
        for port in fleet.values():
            answer = web.fetch(f"{url(port)}/control/fault", body={"name": name})
            assert answer.status == 200

    yield order
    order(None)


def search(gateway, query="my parcel did not come", **more):
    return gateway.post("/search", json={"query": query, **more})


def test_search_finds_what_means_the_same(gateway):
    answer = search(gateway, "the package is late, where is it?", limit=2)

    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert len(hits) == 2
    assert "Track a parcel that has not arrived yet" in [hit["title"] for hit in hits]


def test_both_versions_answer(gateway):
    versions = [search(gateway, title).json()["version"] for title in TITLES]

    assert 0.2 < versions.count("v2") / len(versions) < 0.6
    assert set(versions) == {"v1", "v2"}


def test_a_file_is_recognised(gateway):
    answer = gateway.post(
        "/files", content=b"import os\n\n\ndef walk(path: str) -> list[str]:\n    return os.listdir(path)\n"
    )

    assert answer.json()["label"] == "python"


def test_speech_is_answered_window_by_window_while_it_is_computed(gateway):
    (sound,) = islice(recordings(1), 1)
    with gateway.stream("POST", "/listen", content=sound) as answer:
        pieces = list(answer.iter_raw())

    windows = [json.loads(line) for line in b"".join(pieces).splitlines()]
    assert len(pieces) > 1
    assert len(windows) == len(sound) // 2 // 512
    assert max(window["speech"] for window in windows) > 0.5


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [("/search", b"{no json", 422), ("/search", b'{"query": ""}', 422), ("/files", b"", 422), ("/listen", b"x", 422)],
    ids=["no JSON", "empty query", "empty file", "no window"],
)
def test_a_wrong_body_is_the_callers_mistake(gateway, path, content, status):
    answer = gateway.post(path, content=content, headers={"content-type": "application/json"})

    assert answer.status_code == status


def test_errors_fail_every_fourth_request(gateway, fault):
    fault(Fault.ERRORS)

    statuses = [search(gateway).status_code for _ in range(16)]

    assert statuses.count(502) == 4
    assert statuses.count(200) == 12


def test_a_slow_network_adds_its_time_each_way(gateway, fault):
    search(gateway)
    fault(Fault.SLOW_NETWORK)

    began = time.monotonic()
    assert search(gateway).status_code == 200

    assert time.monotonic() - began > 0.12


def test_a_big_payload_is_a_megabyte(fleet, fault):
    body = {"texts": ["hello"]}
    small = web.fetch(f"{url(fleet['embedder'])}/embed", body=body)
    fault(Fault.BIG_PAYLOAD)

    big = web.fetch(f"{url(fleet['embedder'])}/embed", body=body)

    assert len(small.body) < 20_000
    assert len(big.body) > 500_000


def test_a_bad_deployment_replaces_v2_and_fails_on_short_texts(fleet, fault):
    fault(Fault.BAD_DEPLOY)
    embed = f"{url(fleet['embedder'])}/embed"

    long = web.fetch(embed, body={"texts": ["a text of more than a dozen words " * 3], "version": "v2"})
    short = web.fetch(embed, body={"texts": ["short"], "version": "v2"})

    assert json.loads(long.body)["version"] == "v3"
    assert short.status == 500


@pytest.mark.parametrize("name", [Fault.SLOW_QUEUE, Fault.CPU_THROTTLE, Fault.COLD_START])
def test_the_other_faults_slow_down_but_answer(gateway, fault, name):
    fault(name)

    assert [search(gateway).status_code for _ in range(3)] == [200] * 3


def test_an_unknown_fault_is_refused(fleet):
    answer = web.fetch(f"{url(fleet['gateway'])}/control/fault", body={"name": "gremlins"})

    assert answer.status == 422


def test_a_version_that_is_not_deployed_is_named(fleet):
    answer = web.fetch(f"{url(fleet['embedder'])}/embed", body={"texts": ["x"], "version": "v9"})

    assert answer.status == 404
    assert b"no version 'v9' of minilm; there are v1, v2, v3" in answer.body
