"""Triton for real: the server that is inside the wheel of pytriton, with a model of its Python backend."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from known_load import (
    BROKEN,
    EXECUTE,
    QUICK_ONES,
    SLOW,
    SLOW_ONES,
    WRONG,
    all_told,
    drive,
    ends,
    mean_holds,
    only,
    reading_of,
)
from watched import Watched

from inferometer.catalog import engines, requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SERVERS = Path(__file__).parents[1]
PACKAGES = "lib/python{}.{}/site-packages".format(*sys.version_info)
CONFIGURATION = """
backend: "python"
input [ { name: "row" data_type: TYPE_FP64 dims: [ -1 ] } ]
output [ { name: "species" data_type: TYPE_INT64 dims: [ 1 ] } ]
instance_group [ { count: 4 kind: KIND_CPU } ]
"""


@pytest.fixture
def models(tmp_path) -> Path:
    """A repository of one model."""
    version = tmp_path / "models" / "iris" / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIGURATION)
    shutil.copy(SERVERS / "plain_iris.py", version)
    shutil.copy(SERVERS / "plain_triton.py", version / "model.py")
    return version.parents[1]


@pytest.fixture
def backends(environment, tmp_path) -> Path:
    """The server's backends, with the stub for this Python beside that of Python, where it is looked for."""
    (python,) = (environment("triton").parents[1] / "lib").glob("python3.*")
    server = python / "site-packages" / "pytriton" / "tritonserver"
    folder = tmp_path / "backends"
    shutil.copytree(server / "backends", folder)
    stub = server / "python_backend_stubs" / python.name.removeprefix("python") / "triton_python_backend_stub"
    (folder / "python" / stub.name).write_bytes(stub.read_bytes())
    (folder / "python" / stub.name).chmod(0o755)
    return folder


def body(row):
    return {"inputs": [{"name": "row", "shape": [len(row)], "datatype": "FP64", "data": row}]}


@pytest.fixture
def watched(tmp_path, port) -> Iterator[Watched]:
    """What reads its page and takes its spans."""
    folder = tmp_path / "watched"
    folder.mkdir()
    made = Watched(folder, page=port, engine="triton", model="iris")
    yield made
    made.close()


def test_triton_tells_means_and_takes_errors_of_its_python_backend_for_successes(
    start, port, models, backends, watched
):
    tracing = (
        "mode=opentelemetry", "rate=1", "level=TIMESTAMPS", "opentelemetry,resource=service.name=llm",
        f"opentelemetry,url=http://127.0.0.1:{watched.otlp_http}/v1/traces",
    )  # fmt: skip
    server = start(
        "triton", "{home}/" + f"{PACKAGES}/pytriton/tritonserver/bin/tritonserver", "--model-repository", str(models),
        "--backend-directory", str(backends), "--http-address", "127.0.0.1", "--http-port", "{port}",
        "--allow-grpc", "false", "--metrics-address", "127.0.0.1", "--metrics-port", str(port),
        *(word for one in tracing for word in ("--trace-config", one)),
        ready="/v2/health/ready", LD_LIBRARY_PATH="{home}/" + f"{PACKAGES}/nvidia_pytriton.libs",
        PYTHONPATH="{home}/" + PACKAGES,
    )  # fmt: skip
    seen = drive(server, "/v2/models/iris/infer", body)
    good = QUICK_ONES + SLOW_ONES
    found = reading_of(port, "triton", all_told(good + BROKEN + 1))
    traced = watched.requests("llm", good + BROKEN + WRONG + 1, 60)

    assert (seen.of(200), seen.of(500)) == (good, BROKEN + WRONG)
    # Wrong input is refused before it counts; what the backend answers as an error, and nobody reads, is a success.
    assert ends(found) == {"ok": good + BROKEN + 1}
    assert found.signals[requests.REQUESTS.name][0].quality == "approximate"
    mean_holds(only(found, requests.REQUEST_DURATION.name), seen, left=1, failed=BROKEN)
    mean_holds(only(found, EXECUTE), seen, left=1, failed=BROKEN)
    assert only(found, requests.BATCH_SIZE.name).sum == good + BROKEN + 1
    assert engines.KV_CACHE.name in found.missing
    # Its spans know what was refused, and of its backend's errors as little as its page.
    assert Counter(one["outcome"] for one in traced) == {"ok": good + BROKEN + 1, "client_error": WRONG}
    of_ok = [one for one in traced if one["outcome"] == "ok"]
    assert {(one["model"], one["version"]) for one in of_ok} == {("iris", "1")}
    executed = sum(one["stages"]["execute"] for one in of_ok)
    assert executed == pytest.approx(only(found, EXECUTE).sum, rel=0.02)
    assert len([one for one in of_ok if one["stages"]["execute"] >= SLOW]) >= SLOW_ONES + 1
