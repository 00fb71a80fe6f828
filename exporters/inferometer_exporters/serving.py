"""The sidecar as a process: signals, what it prints, and how it ends with what it stands beside."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType

from inferometer.intake.state import Step, nothing
from inferometer_exporters.live import NO_PAGES, Pages
from inferometer_exporters.sidecar import Sidecar
from inferometer_exporters.sidecar_settings import SidecarSettings

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    def handle(number: int, _: FrameType | None) -> None:
        _log.info("signal %d: the last pass follows", number)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    settings: SidecarSettings, *, with_stdin: bool = False, after_step: Step = nothing, pages: Pages = NO_PAGES
) -> None:
    """Run a sidecar until SIGTERM or SIGINT; in the main thread.

    Prints where it answers, and at the end where the flight recorder is.

    Args:
        settings: how it runs.
        with_stdin: end when standard input does, after the last frames, and print the number of requests: for a process
            that has a sidecar beside it, and must not leave it behind however it ends.
        after_step: as for `Sidecar`.
        pages: as for `Sidecar`.

    Raises:
        RefusedError: another sidecar has the socket, the state folder or a port.
        StateError: the state, the recorder, the thresholds or the recording cannot be used.
    """
    sidecar = Sidecar(settings, after_step=after_step, pages=pages)
    with _signals(sidecar.stop):
        scheme = settings.ports.access.scheme
        for note in sidecar.notes:
            _log.warning("%s", note)
        _say(f"frames {settings.socket}")
        for line in sidecar.doors():
            _say(line)
        _say(f"metrics {scheme}://{replace(settings.metrics, port=sidecar.page.port)}/metrics")
        api = f"{scheme}://{replace(settings.api, port=sidecar.api_port)}"
        if pages is not NO_PAGES:
            _say(f"live {api}/")
        # The last one: whoever starts us reads on until it has come.
        _say(f"api {api}")
        if with_stdin:
            threading.Thread(target=_end_with_stdin, args=(sidecar,), name="inferometer-stdin", daemon=True).start()
        sidecar.run()
    if with_stdin:
        _say(f"requests {sidecar.recorded}")
    _say(f"recorder {sidecar.recorder.path}")


def _end_with_stdin(sidecar: Sidecar) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    sidecar.drain()
    sidecar.stop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
