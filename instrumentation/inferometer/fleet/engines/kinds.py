"""Kinds of values in mappings of engines: series as pages name them, patterns, units, ranges of versions, signals.

Reads no YAML: whoever only asks which engines there are loads nothing heavy.
"""

import re
from decimal import Decimal
from typing import Final

from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.fleet.engines.versions import Range, numbers
from inferometer.fleet.engines.vocabulary import Combine, PageType, PageUnit, Part, Quality
from inferometer.fleet.scalars import Kind, WrongValueError, choice, nearest

QUALITY: Final = choice(Quality, "quality")
UNIT: Final = choice(PageUnit, "unit of a page")
TYPE: Final = choice(PageType, "type of a family")
PART: Final = choice(Part, "part of a family")
COMBINE: Final = choice(Combine, "way to combine series")

_SERIES: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\*?|\*", re.ASCII)


def _series(text: str) -> str:
    if not _SERIES.fullmatch(text):
        raise WrongValueError(f"{text!r} is no name of a series", "write it as the page does; a * may stand at the end")
    return text


def _one_series(text: str) -> str:
    if text.endswith("*"):
        raise WrongValueError(f"{text!r} names several series", "name one")
    return _series(text)


FAMILIES: Final = Kind(
    name="name of a series, or the beginning of several",
    written_as=("text",),
    read=_series,
    json={"type": "string", "pattern": f"^(?:{_SERIES.pattern})$"},
    example="vllm:nixl_*",
)
FAMILY: Final = Kind(
    name="name of a series",
    written_as=("text",),
    read=_one_series,
    json={"type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$"},
    example="vllm:num_requests_running",
)


def _label(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", text, re.ASCII):
        raise WrongValueError(f"{text!r} is no name of a label", "write it as the page does: model_name")
    return text


LABEL: Final = Kind(
    name="name of a label",
    written_as=("text",),
    read=_label,
    json={"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
    example="model_name",
)

_BEYOND_RE2: Final = re.compile(r"\(\?(?!:)|\\[1-9AZzpPk]|[*+?}]\+")
"""Lookarounds, flags, back references, anchors and possessive repeats: Prometheus does not know them, or otherwise."""


def _pattern(text: str) -> str:
    if _BEYOND_RE2.search(text):
        raise WrongValueError(f"{text!r} means another thing to Prometheus", "write a plain regular expression: 5..")
    try:
        re.compile(text)
    except re.error as error:
        raise WrongValueError(
            f"{text!r} is no regular expression: {error}", "write stop|length, for instance"
        ) from error
    return text


PATTERN: Final = Kind(
    name="regular expression of the whole value",
    written_as=("text",),
    read=_pattern,
    json={"type": "string"},
    example="stop|length",
)
_LONGEST: Final = 1000


def _prose(text: str) -> str:
    flat = " ".join(text.split())
    if not flat or len(flat) > _LONGEST or not flat.isprintable():
        raise WrongValueError(
            "the text is empty, too long or holds control characters", f"write 1 to {_LONGEST} of them"
        )
    return flat


PROSE: Final = Kind(
    name="sentence",
    written_as=("text",),
    read=_prose,
    json={"type": "string", "minLength": 1, "maxLength": _LONGEST},
    example="It counts sequences, not requests.",
)


def _range(text: str) -> Range:
    try:
        return Range.parse(text)
    except ValueError as error:
        raise WrongValueError(f"{text!r} is no range of versions: {error}", 'write ">=0.9 <0.12"') from error


RANGE: Final = Kind(
    name="range of versions",
    written_as=("text",),
    read=_range,
    json={"type": "string", "pattern": "^(?:(?:<|<=|>|>=|==)[0-9][0-9.]*(?: |$))+$"},
    example=">=0.9 <0.12",
)


def _version(text: str) -> str:
    if numbers(text) is None or not text.isprintable():
        raise WrongValueError(f"{text!r} is no version", 'write "0.32"')
    return text


VERSION_TEXT: Final = Kind(
    name="version",
    # A number would lose its zeros: 0.10 is another version than 0.1.
    written_as=("text",),
    read=_version,
    json={"type": "string"},
    example='"0.12"',
)
_SIGNALS: Final = {signal.name: signal for signal in SIGNALS}


def _signal(text: str) -> Signal:
    if text not in _SIGNALS:
        raise WrongValueError(f"{text!r} is no signal", nearest(text, tuple(_SIGNALS)))
    return _SIGNALS[text]


SIGNAL: Final = Kind(
    name="signal of the catalogue",
    written_as=("text",),
    read=_signal,
    json={"enum": list(_SIGNALS)},
    example=SIGNALS[0].name,
)
SIGNAL_NAME: Final = Kind(
    name=SIGNAL.name,
    written_as=SIGNAL.written_as,
    read=lambda text: _signal(text).name,
    json=SIGNAL.json,
    example=SIGNAL.example,
)
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no number", "write 0.25, for instance")
    return Decimal(text)


NUMBER: Final = Kind(
    name="number",
    written_as=("number", "text"),
    read=_number,
    json={"type": "number"},
    example="0.25",
)


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise WrongValueError(f"{text!r} is no truth value", "write true or false")
    return text == "true"


TRUTH: Final = Kind(
    name="truth value",
    written_as=("truth value",),
    read=_truth,
    json={"type": "boolean"},
    example="true",
)
