"""TorchServe for real, with a handler of its user's; needs Java."""

import subprocess
from pathlib import Path

import pytest
from free_ports import free_port
from known_load import BROKEN, QUICK_ONES, SLOW_ONES, WRONG, all_told, drive, ends, mean_holds, only, reading_of

from inferometer.catalog import requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SERVERS = Path(__file__).parents[1]
SETTINGS = """
management_address=http://127.0.0.1:{management}
metrics_address=http://127.0.0.1:{metrics}
metrics_mode=prometheus
enable_envvars_config=true
default_workers_per_model=1
"""


@pytest.fixture
def store(environment, tmp_path) -> Path:
    """A folder with the model's archive."""
    folder = tmp_path / "store"
    folder.mkdir()
    archiver = environment("torchserve").parent / "torch-model-archiver"
    command = [
        archiver, "--model-name", "iris", "--version", "1.0", "--handler", f"{SERVERS}/plain_torchserve.py",
        "--extra-files", f"{SERVERS}/plain_iris.py", "--export-path", folder,
    ]  # fmt: skip
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    return folder


def test_torchserve_counts_classes_of_statuses_and_tells_means(start, port, store, tmp_path):
    settings = tmp_path / "config.properties"
    settings.write_text(SETTINGS.format(metrics=port, management=free_port()))
    server = start(
        "torchserve", "{python}", "-m", "ts.model_server", "--start", "--foreground", "--ts-config", str(settings),
        "--model-store", str(store), "--models", "iris=iris.mar", "--disable-token-auth",
        ready="WORKER_MODEL_LOADED", TS_INFERENCE_ADDRESS="http://127.0.0.1:{port}", LOG_LOCATION="{folder}",
        METRICS_LOCATION="{folder}",
    )  # fmt: skip
    seen = drive(server, "/predictions/iris", lambda row: {"row": row})
    good, bad = QUICK_ONES + SLOW_ONES, BROKEN + WRONG
    found = reading_of(port, "torchserve", all_told(good + bad + 1))

    assert (seen.of(200), seen.of(503)) == (good, bad)
    assert ends(found)["server_error"] == bad
    # Health checks are good answers as well, and so is what nobody read.
    assert ends(found)["ok"] >= good + 1
    mean_holds(only(found, requests.REQUEST_DURATION.name), seen, left=1, failed=bad)
    assert only(found, requests.REQUEST_DURATION.name).labels == {"model": "iris"}
