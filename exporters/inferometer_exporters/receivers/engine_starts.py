"""vLLM's spans of its own start, as one cold start of ours: how long until it was loaded, and what of it was what.

vLLM writes a span for each thing that it does while it starts, in several processes of one trace. The outermost and
last of them is ``Overall Loading``, of the API server: it ends when every engine is loaded, some tenths of a second
before HTTP answers. Its span ``API server setup`` binds the port before there is anybody to send a span to, and so is
never seen. Source: spans of vLLM 0.32, and 0.33's ``vllm/tracing``, decorator ``instrument``.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from inferometer.catalog import engine_spans
from inferometer.catalog.phases import Phase
from inferometer.otlp.kept import Resource
from inferometer.record.cold_start import ColdStart, PhaseRun

PATIENCE_NS: Final = 15 * 10**9
"""After the span that says that it is loaded, those of other processes come for so long; exporters wait 5 s."""
ABANDONED_NS: Final = 30 * 60 * 10**9
"""A start of which no more is heard is none: it failed, or its last spans were lost."""
MOST_STARTS: Final = 64
MOST_RUNS: Final = 500
_REMEMBERED: Final = 1_000
_PHASES: Final[Mapping[str, Phase]] = {
    "Load model": Phase.MODEL_LOAD,
    "Dynamo bytecode transform": Phase.COMPILE,
    "Inductor compilation": Phase.COMPILE,
    "Compile graph": Phase.COMPILE,
    "Capture model": Phase.COMPILE,
    "Allocate KV cache": Phase.ALLOCATE,
    "Warmup (GPU)": Phase.WARMUP,
    "Warmup (CPU)": Phase.WARMUP,
    "DeepGemm warmup": Phase.WARMUP,
}
_LOADED: Final = "Overall Loading"
_NAMES: Final = frozenset(
    {
        _LOADED, "AsyncMPClient init", "SyncMPClient init", "EngineCoreProc init", "Executor init", "Worker init",
        "Init device", "Prepare model", "Initialize model", "Loading (GPU)", "Loading (CPU)",
        "Load weights", "Download weights - HF", *_PHASES,
    }
)  # fmt: skip
MARK: Final = engine_spans.VLLM_MODULE
"""Attribute of the resources of these spans, and of those of requests."""


class Started(NamedTuple):
    """An engine that is loaded now."""

    start: ColdStart
    resource: Resource
    wall_offset_ns: int
    """Wall time minus CLOCK_MONOTONIC, when its last span came."""

    def loads(self) -> Iterator[tuple[str, int]]:
        """Each load of a model whose name is known, of each process that did it, and how long it took, ns."""
        for run in self.start.phases:
            if run.phase is Phase.MODEL_LOAD and run.model:
                yield run.model, run.end - run.start


class Step(NamedTuple):
    """A span of an engine's start; times are ns since the epoch."""

    trace: tuple[int, int]
    name: str
    start: int
    end: int
    resource: Resource
    failed: bool = False


@dataclass(slots=True)
class _Start:
    steps: list[Step] = field(default_factory=list)
    heard_ns: int = 0
    loaded_ns: int = 0
    """CLOCK_MONOTONIC when the span came that says that it is loaded; 0 before."""


class Starts:
    """Gathers the spans of starts; used by one thread."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Start] = {}
        self._done: dict[tuple[int, int], None] = {}

    def take(self, steps: Iterable[Step], now_ns: int) -> None:
        """Take in spans of starts; those of one that was told already, or that failed, are not told again."""
        for step in steps:
            if step.name not in _NAMES or step.trace in self._done:
                continue
            if step.trace not in self._open and len(self._open) >= MOST_STARTS:
                del self._open[next(iter(self._open))]
            start = self._open.setdefault(step.trace, _Start())
            start.heard_ns = now_ns
            if len(start.steps) < MOST_RUNS:
                start.steps.append(step)
            if step.name != _LOADED:
                continue
            if step.failed:
                self._forget(step.trace)
            elif not start.loaded_ns:
                start.loaded_ns = now_ns

    def started(
        self, now_ns: int, offset_ns: int, only_model: Callable[[str], str], *, everything: bool = False
    ) -> list[Started]:
        """Engines that are loaded and of whose start nothing more will come.

        Args:
            now_ns: CLOCK_MONOTONIC.
            offset_ns: wall time minus that.
            only_model: the model of a service that has one; empty for others.
            everything: wait for nothing.
        """
        found = []
        for trace, start in list(self._open.items()):
            if start.loaded_ns and (everything or now_ns - start.loaded_ns >= PATIENCE_NS):
                found.append(_cold_start(trace, start.steps, offset_ns, only_model))
            elif now_ns - start.heard_ns < ABANDONED_NS:
                continue
            self._forget(trace)
        return found

    def _forget(self, trace: tuple[int, int]) -> None:
        del self._open[trace]
        self._done[trace] = None
        if len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]


def _cold_start(trace: tuple[int, int], steps: list[Step], offset: int, only_model: Callable[[str], str]) -> Started:
    whole = next(step for step in steps if step.name == _LOADED)
    first, last = min(step.start for step in steps), whole.end
    runs = [PhaseRun(phase=Phase.STARTUP, start=first - offset, end=max(last, first) - offset)]
    for step in steps:
        phase = _PHASES.get(step.name)
        # What an engine's processes do at the same time, each of them does; what they do once loaded is no start.
        if phase is not None and step.start < last:
            run = PhaseRun(
                phase=phase,
                start=step.start - offset,
                end=min(step.end, last) - offset,
                model=only_model(whole.resource.service) if phase is Phase.MODEL_LOAD else "",
            )
            runs.append(run)
    resource = whole.resource
    told = f"{trace[0]:016x}{trace[1]:016x} {resource.service} {resource.host}"
    worker = hashlib.blake2b(told.encode(), digest_size=16).digest()
    start = ColdStart(worker_id=worker, region=resource.region, traced=True, phases=runs)
    return Started(start, resource, offset)
