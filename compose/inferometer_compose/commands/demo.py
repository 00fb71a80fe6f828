"""``inferometer demo``."""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap as fold
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console
from rich.live import Live
from rich.text import Text

from inferometer.errors import InferometerError
from inferometer.fleet import durations
from inferometer.fleet.loader import load
from inferometer.fleet.slos import Source, slos
from inferometer_compose.commands.console import screen
from inferometer_compose.demo.asjson import as_json
from inferometer_compose.demo.run import Outcome, Plan
from inferometer_compose.demo.run import run as run_plan
from inferometer_compose.faults import MEANING, Fault
from inferometer_compose.screens.progress import Progress, progress_line
from inferometer_compose.screens.report import report
from inferometer_compose.stack import programs
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.local import LocalStack, Peers

# Without a terminal there is a line now and then instead of one that lives.
_PLAIN_LINE_EVERY_SECONDS = 10.0
WITHOUT_PEERS: Final = (
    "it goes without them: no alerts, traces on the live page; in a checkout `make tools` builds them"
)
_NEXT: Final = ("trace --slowest 3", "cost --by model,tenant", "compare --versions v1,v2")
"""Commands that say more of the run that has just ended."""
_MINUTE = 60
_INDENT = 8
"""Columns of the word that says what a line is about."""
_SINGLE_SPACE: Final = re.compile(r"(?<! ) (?! )")
_STAYS: Final = "\N{NO-BREAK SPACE}"
# What people open in a browser.
_TO_OPEN = ("live", "jaeger", "prometheus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said."""

    seconds: float
    fault: Fault | None
    time_scale: int
    rate_per_second: float
    config: Path | None
    keep: bool
    json: bool


def run(options: Options) -> int:
    """Start everything, run, report, end everything; the exit status."""
    console = Console(stderr=True, highlight=False, soft_wrap=True) if options.json else screen()
    promised = (slo for slo in slos(load(options.config or demo_fleet())) if slo.source is Source.BUCKETS)
    plan = Plan(
        seconds=options.seconds, rate_per_second=options.rate_per_second, fault=options.fault, engines=tuple(promised)
    )
    folder = _folder(Path.cwd())
    here = [Path.cwd() / ".tools" / "bin"]
    peers = Peers(
        prometheus=programs.find(programs.PROMETHEUS, here),
        alertmanager=programs.find(programs.ALERTMANAGER, here),
        jaeger=programs.find(programs.JAEGER, here),
    )
    with _signals_end_it(), LocalStack(folder, peers, time_scale=options.time_scale) as stack:
        try:
            with _starting(console):
                _start(stack, options, console)
            with _progress(console) as show:
                outcome = run_plan(stack, plan, show)
        except KeyboardInterrupt:
            _ended_early(stack, console)
            raise
        _finish(stack, options, outcome, console)
        if options.keep:
            console.print("Everything stays up until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return 0


def _folder(here: Path) -> Path:
    """A new folder of this run.

    Raises:
        InferometerError: nobody may write there.
    """
    folder = here / time.strftime("demo-%Y%m%d-%H%M%S")
    try:
        folder.mkdir()
    except OSError as error:
        reason = f"{folder} cannot be made ({error.strerror})"
        raise InferometerError(f"{reason}: start the demo where you may write; it keeps logs and records") from error
    return folder


def busy(load: float, cores: int) -> str:
    """What is said where others had work for every core before the demo began; else nothing."""
    if load < cores:
        return ""
    return f"this machine was busy before (load {load:.1f} on {cores} cores): its times are long; --rate 10 asks less"


def _start(stack: LocalStack, options: Options, console: Console) -> None:
    load_before = os.getloadavg()[0]
    configuration = generate(
        options.config or demo_fleet(),
        stack.folder / "config",
        time_scale=options.time_scale,
        addresses=stack.addresses,
    )
    stack.start_peers(configuration)
    seconds = stack.start_fleet(configuration)
    services = "  ".join(f"{name} :{port}" for name, port in stack.services.items())
    _say(console, "fleet", f"{services}     3 real ONNX models, ready in {seconds:.1f} s")
    _say(console, "peers", "  ".join(str(program) for program in stack.programs.all()))
    if any(program.path is None for program in stack.programs.all()):
        _say(console, "", WITHOUT_PEERS)
    for note in filter(None, ("; ".join(stack.notes), busy(load_before, os.cpu_count() or 1))):
        _say(console, "note", note)
    _say(console, "up", "   ".join(f"{name} {stack.up[name]}" for name in _TO_OPEN if name in stack.up))
    if (scale := options.time_scale) != 1:
        one_second = "a minute" if scale == _MINUTE else durations.render(scale * 10**9)
        _say(console, "time", f"time scale {scale}: one second here is {one_second} of an SLO's window")
    if options.fault is not None:
        _say(console, "fault", f"{options.fault}, from 20 % to 50 % of the time: {MEANING[options.fault]}")
    console.print()


def _ended_early(stack: LocalStack, console: Console) -> None:
    """Say that the end is heard: it takes some seconds, in which the last records are kept."""
    console.print("\nEnding early, with everything that was started", style="dim")
    if "live" in stack.up:
        console.print(f"Recorder: {os.path.relpath(stack.recorder)}", style="dim")


def _say(console: Console, what: str, text: str) -> None:
    for number, line in enumerate(said(text, console.width - _INDENT)):
        console.print(Text(f"{'' if number else what:<{_INDENT}}", "bold").append(line, "not bold"))


def said(text: str, width: int) -> Iterator[str]:
    """The lines of a text for that many columns: broken between columns where it has any, else between words."""
    for line in text.splitlines():
        whole = _SINGLE_SPACE.sub(_STAYS, line) if "  " in line.strip() else line
        for part in fold(whole, width, break_long_words=False, break_on_hyphens=False):
            yield part.replace(_STAYS, " ")


def _finish(stack: LocalStack, options: Options, outcome: Outcome, console: Console) -> None:
    figures, sent, recorder = outcome.figures, outcome.sent, stack.recorder
    if options.json:
        answer = as_json(figures, sent=sent, urls=stack.up, peers=stack.programs.all(), recorder=str(recorder))
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    console.print()
    for line in report(figures, width=console.width):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    complete = figures.requests == sent["sent"]
    console.print(
        f"Sent: {sent['sent']:,} requests, {figures.requests:,} of them recorded; "
        f"{sent['ok']:,} answered, {sent['failed']:,} failed",
        style="dim" if complete else "yellow",
    )
    if not complete:
        console.print(f"Why some are missing may stand in {stack.folder / 'sidecar.log'}", style="yellow")
    console.print(f"Recorder: {os.path.relpath(recorder)}", style="dim")
    # `make demo` runs us from an environment that is not on PATH.
    program = "inferometer" if shutil.which("inferometer") else os.path.relpath(sys.argv[0])
    console.print(f"More: {program} {' | '.join(_NEXT)}", style="dim", markup=False)


@contextmanager
def _starting(console: Console) -> Iterator[None]:
    """Something that moves for the seconds in which nothing can be said yet; a pipe gets nothing of it."""
    with console.status("starting: models, sidecar and peers", spinner="line"):
        yield


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    if not console.is_terminal:
        yield _plain(console)
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:
        yield lambda state: live.update(progress_line(state, width=console.width), refresh=True)


def _plain(console: Console) -> Callable[[Progress], None]:
    next_at = 0.0

    def show(state: Progress) -> None:
        nonlocal next_at
        if state.seconds >= next_at:
            next_at = state.seconds + _PLAIN_LINE_EVERY_SECONDS
            console.print(progress_line(state, width=console.width))

    return show


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end a demo alike, with everything that it started; once is enough."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
