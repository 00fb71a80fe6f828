"""Totals that go on: an engine that begins anew does not take back what it had counted before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

from inferometer.errors import StateError
from inferometer_exporters.engines.raw import Raw, Values

_MOST: Final = 0.5
"""An engine that began anew shows less in at least this share of its totals that were not 0; one counter that falls
alone is that counter's business."""


@dataclass(slots=True)
class _Total:
    last: float
    """As the page said it last."""
    before: float = 0.0
    """What earlier lives of the engine counted."""


class Totals:
    """The totals of one page, by the text of their series; they survive the sidecar's restart."""

    def __init__(self) -> None:
        self._totals: dict[str, _Total] = {}
        self.restarts = 0
        """Times that an engine of the page began anew."""

    def follow(self, values: Values, raws: Sequence[Raw], groups: Mapping[int, str]) -> Values:
        """The page's numbers, those of totals continued; a total that has gone from the page stays as it was.

        Args:
            values: of the page, by place.
            raws: what stands at each place.
            groups: replica of each place that holds a total: what begins anew together.
        """
        shown: Values = list(values)
        fell: dict[str, list[_Total]] = {}
        stood: dict[str, int] = {}
        held: list[tuple[int, _Total, float]] = []
        gone: list[tuple[str, _Total]] = []
        for place, group in groups.items():
            value = values[place]
            total = self._totals.get(raws[place].text)
            if value is None or isnan(value):
                shown[place] = None if total is None else total.before + total.last
                gone += [] if total is None else [(group, total)]
                continue
            if total is None:
                total = self._totals[raws[place].text] = _Total(value)
            elif total.last > 0:
                stood[group] = stood.get(group, 0) + 1
                if value < total.last:
                    fell.setdefault(group, []).append(total)
            held.append((place, total, value))
        anew = {group for group, totals in fell.items() if len(totals) >= _MOST * stood[group]}
        self.restarts += len(anew)
        for group, total in gone:
            if group in anew:
                # It begins at 0 with the others, whenever it comes back.
                total.before, total.last = total.before + total.last, 0.0
        for place, total, value in held:
            if value < total.last or groups[place] in anew:
                total.before += total.last
            total.last = value
            shown[place] = total.before + value
        return shown

    def keep(self, texts: set[str]) -> None:
        """Forget totals of series that are not among *texts*."""
        self._totals = {text: total for text, total in self._totals.items() if text in texts}

    def __len__(self) -> int:
        return len(self._totals)

    def dump(self) -> dict[str, object]:
        """All that must survive, as JSON takes it."""
        return {
            "restarts": self.restarts,
            "totals": {text: [total.last, total.before] for text, total in self._totals.items()},
        }

    def load(self, document: Mapping[str, object]) -> None:
        """Go on where `dump` ended.

        Raises:
            StateError: it is not what `dump` makes.
        """
        restarts, totals = document.get("restarts"), document.get("totals")
        if not isinstance(restarts, int) or not isinstance(totals, dict):
            raise StateError("an engine's totals are not as inferometer writes them")
        try:
            self._totals = {str(text): _Total(float(last), float(before)) for text, (last, before) in totals.items()}
        except (TypeError, ValueError) as error:
            raise StateError(f"an engine's totals are not as inferometer writes them: {error}") from error
        self.restarts = restarts
