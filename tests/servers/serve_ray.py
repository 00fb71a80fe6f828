"""Starts Ray with the deployments of a module, and ends all of it with this process."""

import importlib
import os
import signal
import sys

import ray
from ray import serve


def metrics() -> dict[str, int]:
    """Where the node's agent shows its page, if somebody asks for one."""
    return {"_metrics_export_port": int(os.environ["METRICS_PORT"])} if "METRICS_PORT" in os.environ else {}


def main(port: int, folder: str, name: str) -> None:
    """Serve until this process is terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    module = importlib.import_module(name)
    try:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=folder,
            object_store_memory=80_000_000,
            **metrics(),
        )
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        apps = getattr(module, "apps", None) or {"only": (module.app, "/")}
        targets = [serve.RunTarget(app, name=name, route_prefix=prefix) for name, (app, prefix) in apps.items()]
        serve.run_many(targets, wait_for_applications_running=True)
        print("everything runs", flush=True)  # noqa: T201 - who started it waits for that
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
