"""``inferometer run``: a command with a sidecar beside it, everything on, and nothing else different."""

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.errors import InferometerError, StateError
from inferometer_compose.beside import command, folders
from inferometer_compose.beside.command import CommandError, Signals
from inferometer_compose.beside.hooked import libraries
from inferometer_compose.beside.sidecar import Place, Sidecar, StartInterruptedError
from inferometer_compose.commands.errors import WRONG_USE, say
from inferometer_compose.stack.ports import LOOPBACK, Ports
from inferometer_exporters.recorder.names import FILE_NAME

_METRICS_PORT: Final = 9464
_API_PORT: Final = 9465
_SOCKET_NAME: Final = "sidecar.sock"
_MAX_FOLDER: Final = 64
"""Characters of the folder that ours is made in: the path of a socket has at most 107."""
_TMP: Final = "/tmp"  # noqa: S108 - ours inside of it has mode 0700
_LOG_NAME: Final = "sidecar.log"
_THRESHOLDS_NAME: Final = "thresholds.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said; None where it said nothing."""

    command: Sequence[str]
    config: Path | None
    metrics: str | None
    api: str | None
    state: Path | None
    otlp: str | None
    strict: bool


def run(options: Options, environment: Mapping[str, str] = os.environ) -> int:
    """Run the command to its end; the exit status is the command's.

    Raises:
        FleetError: the fleet file is wrong; nothing is started.
    """
    # Before anything is started: a command that is not there is an error of its own.
    program = options.command[0]
    if shutil.which(program, path=environment.get("PATH")) is None and not Path(program).exists():
        say(f"{program}: command not found")
        return command.NOT_FOUND
    thresholds = None if options.config is None else _thresholds(options.config)
    signals = Signals.held()
    with contextlib.ExitStack() as cleanup:
        try:
            sidecar = _started(options, thresholds, environment, signals, cleanup)
        except StartInterruptedError as interruption:
            return command.BY_SIGNAL + interruption.number
        except InferometerError as error:
            say(f"{error}; {'nothing is run' if options.strict else 'the command runs without a sidecar'}")
            if options.strict:
                return WRONG_USE
            return _run(options.command, {**environment, "INFEROMETER_ENABLED": "1"}, signals, None)
        say(f"sidecar on http://{sidecar.place.metrics}/metrics · live http://{sidecar.place.api}")
        hooked = libraries(program, environment)
        if hooked:
            say(f"hooks for {', '.join(hooked)}")
        status = _run(options.command, _watched(environment, sidecar.place), signals, sidecar)
        _summary(sidecar.end(), sidecar.place.state / FILE_NAME)
        return status


def _started(
    options: Options,
    thresholds: str | None,
    environment: Mapping[str, str],
    signals: Signals,
    cleanup: contextlib.ExitStack,
) -> Sidecar:
    """A sidecar that listens, in folders of its own.

    Raises:
        InferometerError: there is none; why.
    """
    try:
        state = options.state.absolute() if options.state else cleanup.enter_context(folders.of_this_run(environment))
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        runtime = Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-run-", dir=_for_sockets()))
        )
        if thresholds is not None:
            (state / _THRESHOLDS_NAME).write_text(thresholds, encoding="utf-8")
    except OSError as error:
        raise StateError(f"a folder of the sidecar cannot be used: {error}") from error
    place = _place(options, state, runtime)
    sidecar = Sidecar(place, environment)
    sidecar.start(signals.ending)
    return sidecar


def _run(arguments: Sequence[str], environment: Mapping[str, str], signals: Signals, sidecar: Sidecar | None) -> int:
    def keep_up() -> None:
        if sidecar is not None and not sidecar.keep_up():
            say(f"the sidecar ended {sidecar.restarts + 1} times, the command runs on without it: {sidecar.place.log}")

    try:
        return command.wait(command.start(arguments, environment, signals), keep_up)
    except CommandError as error:
        say(str(error))
        return error.status


def _for_sockets() -> str:
    """A folder for temporary files whose paths a socket can have: not long, and no spaces."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _MAX_FOLDER and not any(map(str.isspace, usual)) else _TMP


def _place(options: Options, state: Path, runtime: Path) -> Place:
    notes: list[str] = []
    ports = Ports(notes)
    place = Place(
        socket=runtime / _SOCKET_NAME,
        state=state,
        log=state / _LOG_NAME,
        metrics=options.metrics or f"{LOOPBACK}:{ports.take(_METRICS_PORT, '/metrics')}",
        api=options.api or f"{LOOPBACK}:{ports.take(_API_PORT, 'the live page')}",
        thresholds=state / _THRESHOLDS_NAME if options.config else None,
        otlp=options.otlp,
    )
    for note in notes:
        say(note)
    return place


def _thresholds(config: Path) -> str:
    from inferometer.fleet import loader, summary, thresholds_file  # noqa: PLC0415 - YAML is of an extra

    return thresholds_file.dumps(summary.thresholds(loader.load(config)))


def _watched(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    watched = {**environment, "INFEROMETER_ENABLED": "1", "INFEROMETER_SIDECAR": f"unix://{place.socket}"}
    if place.thresholds is not None:
        watched["INFEROMETER_THRESHOLDS"] = str(place.thresholds)
    return watched


def _summary(requests: int | None, recorder: Path) -> None:
    if requests is None:
        say(f"how many requests were recorded is not known: {recorder}")
    elif requests:
        noun = "request" if requests == 1 else "requests"
        say(f"{requests:,} {noun} recorded · inferometer trace --slowest 5 --recorder {shlex.quote(str(recorder))}")
    else:
        say("no request was recorded; `python -m inferometer`, with the command's own Python, says what is hooked")
