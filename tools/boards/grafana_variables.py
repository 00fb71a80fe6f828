"""Variables as Grafana fills them into a query of Prometheus.

What is done here is what Grafana's template service and its Prometheus data source do (documented at
https://grafana.com/docs/grafana/latest/visualizations/dashboards/variables/ and in the data source's
``$__rate_interval``): a variable of several values is a regular expression whose values are escaped, one of a single
value is escaped as a string, and the value that stands for everything is taken as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

_REFERENCE: Final = re.compile(r"\$(\w+)|\$\{(\w+)(?:\.[^:}]+)?(?::([^}]+))?\}|\[\[(\w+?)(?::(\w+))?\]\]")
_LABEL_VALUES: Final = re.compile(r"\s*label_values\((?:(.+),)?\s*([a-zA-Z_][a-zA-Z0-9_]*)\)\s*", re.DOTALL)
_SPECIAL: Final = re.compile(r"[$^*{}\[\]'+?.()|]")
_SCRAPES: Final = 4
_MOST_POINTS: Final = 1_000
"""Pixels of a panel that is half a screen wide: Grafana asks for no more points."""
_ROUNDED: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200)
"""Seconds to which Grafana rounds an interval."""


class Everything:
    """Chosen: all of a variable's values."""


ALL: Final = Everything()
Chosen = str | Everything


class Asks(Protocol):
    """A Prometheus."""

    def ask(self, path: str, parameters: list[tuple[str, str]]) -> Any:
        """An answer of the API."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A range of time that a board shows, in seconds since the epoch."""

    begin: float
    end: float
    scrape: int = 15
    """``timeInterval`` of the data source."""

    @property
    def interval(self) -> int:
        """``$__interval`` in seconds: a point's share of the range, rounded, at least a scrape."""
        wanted = (self.end - self.begin) / _MOST_POINTS
        rounded = min(_ROUNDED, key=lambda seconds: (abs(seconds - wanted), -seconds))
        return max(rounded, self.scrape)

    @property
    def built_in(self) -> dict[str, str]:
        """Variables that every query has."""
        spans = {
            "__interval": self.interval,
            "__rate_interval": max(self.interval + self.scrape, _SCRAPES * self.scrape),
            "__range": round(self.end - self.begin),
        }
        texts = {name: f"{seconds}s" for name, seconds in spans.items()}
        texts |= {f"{name}_ms": str(seconds * 1000) for name, seconds in spans.items()}
        texts["__range_s"] = str(spans["__range"])
        return texts | {"__from": str(round(self.begin * 1000)), "__to": str(round(self.end * 1000))}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a board with the values that it has now."""

    name: str
    values: tuple[str, ...]
    multi: bool
    all_value: str | None

    def filled(self, chosen: Chosen, form: str | None) -> str:
        """What stands in a query for what is chosen."""
        if isinstance(chosen, Everything):
            if self.all_value is not None:
                return self.all_value
            return self._several(self.values, form)
        return self._several([chosen], form)

    def _several(self, values: Sequence[str], form: str | None) -> str:
        if form == "raw":
            return values[0] if len(values) == 1 else "{" + ",".join(values) + "}"
        if form == "pipe":
            return "|".join(values)
        if form == "csv":
            return ",".join(values)
        if form == "regex":
            escaped = [re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value) for value in values]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        if form is not None:
            raise ValueError(f"the format {form} is not known here")
        if not self.multi:
            return values[0].replace("\\", "\\\\").replace('"', '\\"')
        escaped = [_SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", "\\\\\\\\")) for value in values]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def filled(text: str, variables: Mapping[str, Variable], chosen: Mapping[str, Chosen], over: Range) -> str:
    """A text with everything filled in; a name that nobody knows stays, as Grafana leaves it."""
    built_in = over.built_in

    def one(found: re.Match[str]) -> str:
        plain, braced, form, square, square_form = found.groups()
        name = plain or braced or square
        if name in built_in:
            return built_in[name]
        variable = variables.get(name)
        if variable is None:
            return found.group()
        return variable.filled(chosen.get(name, ALL), form or square_form)

    return _REFERENCE.sub(one, text)


def references(text: str) -> set[str]:
    """Names of variables that a text refers to."""
    return {plain or braced or square for plain, braced, _, square, _ in _REFERENCE.findall(text)}


def resolved(document: Mapping[str, Any], server: Asks, over: Range) -> dict[str, Variable]:
    """Variables of a board in their order; the query of one is run with everything chosen in those before it."""
    found: dict[str, Variable] = {}
    for entry in document["templating"]["list"]:
        match entry["type"]:
            case "query":
                query = entry["query"] if isinstance(entry["query"], str) else entry["query"]["query"]
                values = _label_values(filled(query, found, {}, over), server, over)
            case "custom" | "interval":
                values = [text.strip() for text in entry["query"].split(",")]
            case "constant" | "textbox":
                values = [entry["query"]]
            case _:
                continue
        multi = bool(entry.get("multi") or entry.get("includeAll"))
        found[entry["name"]] = Variable(entry["name"], tuple(values), multi, entry.get("allValue"))
    return found


def _label_values(query: str, server: Asks, over: Range) -> list[str]:
    parsed = _LABEL_VALUES.fullmatch(query)
    if parsed is None:
        raise ValueError(f"the query of a variable is no label_values(): {query}")
    series, label = parsed.groups()
    parameters = [("start", str(over.begin)), ("end", str(over.end))]
    if series:
        parameters.append(("match[]", series))
    found: list[str] = server.ask(f"label/{label}/values", parameters)
    return [value for value in found if value]
