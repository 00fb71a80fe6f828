"""Runs a sidecar until SIGTERM; with an option it kills itself after the given number of steps of its passes.

With ``--clock`` the wall clock that it reads is set an hour ahead by SIGUSR1, an hour back by SIGUSR2.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from inferometer_exporters.idle_start import start_in_idle_time
from inferometer_exporters.niceness import step_back

HOUR = 3600 * 10**9


def settable_clock() -> None:
    """Before anything binds the clock: the kernel's cannot be set for one process."""
    real, offset = time.time_ns, [0]

    def step(number: int, _: object) -> None:
        offset[0] += HOUR if number == signal.SIGUSR1 else -HOUR

    signal.signal(signal.SIGUSR1, step)
    signal.signal(signal.SIGUSR2, step)
    time.time_ns = lambda: real() + offset[0]
    time.time = lambda: time.time_ns() / 1e9


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-after", type=int, default=0, metavar="STEPS")
    parser.add_argument("--metrics-port", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--otlp", default="")
    parser.add_argument("--receive", action="store_true", help="on every port there is")
    parser.add_argument("--clock", action="store_true")
    args = parser.parse_args(arguments)
    step_back()
    if args.clock:
        settable_clock()
    start_in_idle_time("inferometer_exporters.serving")
    from inferometer.errors import InferometerError  # noqa: PLC0415 - after the clock
    from inferometer.otlp.endpoint import Endpoint  # noqa: PLC0415 - the same
    from inferometer_exporters.gpus.choice import GpuChoice  # noqa: PLC0415 - the same
    from inferometer_exporters.ports import Address, Ports  # noqa: PLC0415 - the same
    from inferometer_exporters.serving import run  # noqa: PLC0415 - the same
    from inferometer_exporters.sidecar_settings import SidecarSettings  # noqa: PLC0415 - the same

    steps = 0

    def after_step(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == args.die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    free = Address("127.0.0.1", 0) if args.receive else None
    thresholds = args.folder / "thresholds.json"
    settings = SidecarSettings(
        socket=args.socket or args.folder / "sidecar.sock",
        state=args.state or args.folder / "state",
        metrics=Address("127.0.0.1", args.metrics_port),
        api=Address("127.0.0.1", 0),
        thresholds=thresholds if thresholds.exists() else None,
        otlp=Endpoint(url=args.otlp) if args.otlp else None,
        ports=Ports(otlp_grpc=free, otlp_http=free, frames_tcp=free),
        gpu=GpuChoice.OFF,
        host="box",
    )
    try:
        run(settings, after_step=after_step)
    except InferometerError as error:
        sys.exit(f"inferometer: {error}")


if __name__ == "__main__":
    main()
