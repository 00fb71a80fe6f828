"""vLLM's spans of its own start, as one cold start of ours: how long until it served, and what of it was what.

vLLM writes a span for each thing that it does while it starts, in several processes of one trace; that a server is set
up is the last of them. Source: vLLM 0.33, ``vllm/tracing``, decorator ``instrument``.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from inferometer.catalog import engine_spans
from inferometer.catalog.phases import Phase
from inferometer.otlp.kept import Resource
from inferometer.record.cold_start import ColdStart, PhaseRun

PATIENCE_NS: Final = 15 * 10**9
"""After the span that says that it serves, those of its other processes come for so long; exporters wait 5 s."""
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
_SERVES: Final = "API server setup"
_NAMES: Final = frozenset(
    {
        _SERVES, "AsyncMPClient init", "SyncMPClient init", "EngineCoreProc init", "Overall Loading", "Executor init",
        "Worker init", "Init device", "Prepare model", "Initialize model", "Loading (GPU)", "Loading (CPU)",
        "Load weights", "Download weights - HF", *_PHASES,
    }
)  # fmt: skip
MARK: Final = engine_spans.VLLM_PROCESS_KIND
"""Attribute of the resources of these spans, and of those of requests."""


class Started(NamedTuple):
    """An engine that serves now."""

    start: ColdStart
    resource: Resource
    wall_offset_ns: int
    """Wall time minus CLOCK_MONOTONIC, when its last span came."""


class Step(NamedTuple):
    """A span of an engine's start; times are ns since the epoch."""

    trace: tuple[int, int]
    name: str
    start: int
    end: int
    resource: Resource


@dataclass(slots=True)
class _Start:
    steps: list[Step] = field(default_factory=list)
    heard_ns: int = 0
    served_ns: int = 0
    """CLOCK_MONOTONIC when the span came that says that it serves; 0 before."""


class Starts:
    """Gathers the spans of starts; used by one thread."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Start] = {}
        self._done: dict[tuple[int, int], None] = {}

    def take(self, steps: Iterable[Step], now_ns: int) -> None:
        """Take in spans of starts; those of a start that was told already are not told again."""
        for step in steps:
            if step.name not in _NAMES or step.trace in self._done:
                continue
            if step.trace not in self._open and len(self._open) >= MOST_STARTS:
                del self._open[next(iter(self._open))]
            start = self._open.setdefault(step.trace, _Start())
            start.heard_ns = now_ns
            if len(start.steps) < MOST_RUNS:
                start.steps.append(step)
            if step.name == _SERVES and not start.served_ns:
                start.served_ns = now_ns

    def started(
        self, now_ns: int, offset_ns: int, only_model: Callable[[str], str], *, everything: bool = False
    ) -> list[Started]:
        """Engines that serve and of whose start nothing more will come.

        Args:
            now_ns: CLOCK_MONOTONIC.
            offset_ns: wall time minus that.
            only_model: the model of a service that has one; empty for others.
            everything: wait for nothing.
        """
        found = []
        for trace, start in list(self._open.items()):
            if start.served_ns and (everything or now_ns - start.served_ns >= PATIENCE_NS):
                found.append(_cold_start(trace, start.steps, offset_ns, only_model))
            elif now_ns - start.heard_ns < ABANDONED_NS:
                continue
            del self._open[trace]
            self._done[trace] = None
            if len(self._done) > _REMEMBERED:
                del self._done[next(iter(self._done))]
        return found


def _cold_start(trace: tuple[int, int], steps: list[Step], offset: int, only_model: Callable[[str], str]) -> Started:
    served = next(step for step in steps if step.name == _SERVES)
    first, last = min(step.start for step in steps), served.end
    runs = [PhaseRun(phase=Phase.STARTUP, start=first - offset, end=max(last, first) - offset)]
    for step in steps:
        phase = _PHASES.get(step.name)
        # What an engine's processes do at the same time, each of them does; what they do once served is no start.
        if phase is not None and step.start < last:
            run = PhaseRun(
                phase=phase,
                start=step.start - offset,
                end=min(step.end, last) - offset,
                model=only_model(served.resource.service) if phase is Phase.MODEL_LOAD else "",
            )
            runs.append(run)
    resource = served.resource
    told = f"{trace[0]:016x}{trace[1]:016x} {resource.service} {resource.host}"
    worker = hashlib.blake2b(told.encode(), digest_size=16).digest()
    start = ColdStart(worker_id=worker, region=resource.region, traced=True, phases=runs)
    return Started(start, resource, offset)
