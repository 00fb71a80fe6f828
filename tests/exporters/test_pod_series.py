"""A real worker that is told its pod by the downward API, at a real sidecar."""

import os
import threading
import urllib.request

from inferometer.catalog import telemetry
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.pod import Pod
from inferometer_exporters.ports import Address
from inferometer_exporters.sidecar import Sidecar
from inferometer_exporters.sidecar_settings import SidecarSettings


def test_a_worker_says_its_pod_and_the_sidecar_adds_the_node(tmp_path, until):
    socket = tmp_path / "s.sock"
    sidecar = Sidecar(
        SidecarSettings(
            socket=socket,
            state=tmp_path / "state",
            metrics=Address("127.0.0.1", 0),
            api=Address("127.0.0.1", 0),
            host="box",
            pod=Pod(node="node-1"),
        )
    )
    thread = threading.Thread(target=sidecar.run)
    thread.start()
    environment = {
        "OTEL_SERVICE_NAME": "llm",
        "POD_NAME": "llm-0",
        "POD_NAMESPACE": "ml",
        "CONTAINER_NAME": "server",
        "INFEROMETER_SIDECAR": f"unix://{socket}",
        "INFEROMETER_FLUSH_SECONDS": "0.02",
    }
    worker = Worker(Settings.from_env(environment))

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{sidecar.page.port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    line = (
        f'{telemetry.WORKER_INFO.name}{{service="llm",pid="{os.getpid()}",'
        'node="node-1",namespace="ml",pod="llm-0",container="server"} 1\n'
    )
    try:
        worker.start()
        until(lambda: line in page())
        assert sidecar._server.pids == {os.getpid()}
    finally:
        worker.close()
        sidecar.stop()
        thread.join(20)

    assert not thread.is_alive()
