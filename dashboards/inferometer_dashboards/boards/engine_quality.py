"""What engines cannot say, in words, and as one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.catalog.model import Series
from inferometer.fleet import engines
from inferometer.fleet.engines import Boundaries, Quality, boundaries
from inferometer.fleet.model import Fleet

_IN_WORDS: Final[Mapping[Quality, str]] = {
    Quality.EXACT: "exact",
    Quality.APPROXIMATE: "approximate",
    Quality.LOWER_BOUND: "lower bound",
    Quality.MEAN_ONLY: "mean only",
    Quality.ABSENT: "absent",
}
ALL_INSTRUMENTED: Final = (
    "Every service of this fleet is instrumented: what is shown comes from its own requests and is exact. A foreign "
    "engine that fleet.yaml names (`engine: vllm`) gets a column here, with what it tells and how well."
)


@dataclass(frozen=True, slots=True)
class Known:
    """How well an engine tells a signal."""

    known: Boundaries
    inside: str = ""
    """Title of the engine inside that tells it; empty: the engine itself."""

    @property
    def is_told(self) -> bool:
        """Whether there is anything to show."""
        return self.known.quality is not Quality.ABSENT

    @property
    def word(self) -> str:
        """Its quality, and who tells it where that is an engine inside."""
        word = _IN_WORDS[self.known.quality]
        return f"{word}, by {self.inside} in it" if self.inside else word

    @property
    def why(self) -> str:
        """Reason and cure as sentences; empty where it is exact."""
        reason = f" {self.known.reason.rstrip('.')}." if self.known.reason else ""
        return f"{reason} What helps: {self.known.flag.rstrip('.')}." if self.known.flag else reason


@dataclass(frozen=True, slots=True)
class Told:
    """An engine of the fleet, in one version, and how well it tells each signal."""

    title: str
    signals: Mapping[str, Known]


def signals(*entries: Series, value: str = "") -> tuple[Signal, ...]:
    """What engines are asked for of some series; *value*: of one stage or direction only."""
    return tuple(signal for signal in SIGNALS if signal.entry in entries and value in {"", signal.value})


def told(fleet: Fleet) -> tuple[Told, ...]:
    """The foreign engines of a fleet, each version once."""
    found = {(service.engine.value, service.version): None for service in fleet.services if not service.instrumented}
    return tuple(_of_engine(engine, version) for engine, version in found)


def table(fleet: Fleet, asked: Sequence[Signal]) -> str:
    """Markdown: signals by engines of the fleet with their quality, and why where one is not exact."""
    columns = told(fleet)
    if not columns:
        return ALL_INSTRUMENTED
    head = ["| signal | " + " | ".join(each.title for each in columns) + " |", "|---|" + "---|" * len(columns)]
    body = [
        f"| `{signal.name}` | " + " | ".join(each.signals[signal.name].word for each in columns) + " |"
        for signal in asked
    ]
    return "\n".join([*head, *body, "", *_reasons(columns, asked)])


def _reasons(columns: Sequence[Told], asked: Sequence[Signal]) -> Iterator[str]:
    """One line for each engine and reason, with the signals that it holds for."""
    for each in columns:
        names: dict[str, list[str]] = {}
        for signal in asked:
            one = each.signals[signal.name]
            if one.known.quality is not Quality.EXACT:
                names.setdefault(f"{one.word}.{one.why}", []).append(f"`{signal.name}`")
        for why, of in names.items():
            yield f"- **{each.title}**, {', '.join(of)}: {why}"


@cache
def _of_engine(engine: str, version: str | None) -> Told:
    mapping = engines.load(engine)
    known = {name: Known(each) for name, each in boundaries(engine, version).items()}
    for other in mapping.contains:
        # Its page may pass on the series of an engine inside: that one tells what the server around it does not.
        for name, inner in boundaries(other).items():
            if known[name].known.quality is Quality.ABSENT and inner.quality is not Quality.ABSENT:
                known[name] = Known(inner, engines.load(other).title)
    return Told(f"{mapping.title} {version}" if version else mapping.title, known)
