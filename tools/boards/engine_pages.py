"""Pages of engines that go on as they did between the two captures of tests/data/engines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parents[2] / "tests/data/engines"
_RISE: Final = frozenset({"counter", "histogram", "summary"})
_ALONE: Final = 20
AGAIN: Final = "-scrape2"


class Growing:
    """A page whose totals rise with each scrape by what they rose from the first capture to the second.

    Args:
        page: the first capture; where there is no second, totals rise by a twentieth of what they are.
    """

    def __init__(self, page: Path) -> None:
        first = page.read_text(encoding="utf-8")
        again = page.with_name(f"{page.stem}{AGAIN}.prom")
        alone = not again.exists()
        second = first if alone else again.read_text(encoding="utf-8")
        before = _values(first)
        kinds: dict[str, str] = {}
        self._lines: list[tuple[str, float, float]] = []
        """Text up to the value, the value, and what it rises by."""
        for line in second.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()[:4]
                kinds[name] = kind
            if line.startswith("#") or not line.strip():
                self._lines.append((line, 0.0, 0.0))
                continue
            series, value = _parted(line)
            rises = _kind(series, kinds) in _RISE and not series.partition("{")[0].endswith("_created")
            gain = value / _ALONE if alone else max(value - before.get(series, value), 0.0)
            gain = gain if rises else 0.0
            self._lines.append((series, value, gain))

    def page(self, scrape: int) -> bytes:
        """What the engine shows at its n-th scrape."""
        return "".join(
            f"{text}\n" if text.startswith("#") or not text.strip() else f"{text} {value + scrape * gain!r}\n"
            for text, value, gain in self._lines
        ).encode()


def _values(page: str) -> dict[str, float]:
    return dict(_parted(line) for line in page.splitlines() if line.strip() and not line.startswith("#"))


def _parted(line: str) -> tuple[str, float]:
    """A line's series and its value, without a timestamp."""
    end = line.rindex("}") + 1 if "}" in line else line.index(" ")
    return line[:end], float(line[end:].split(maxsplit=1)[0])


def _kind(series: str, kinds: Mapping[str, str]) -> str:
    name = series.partition("{")[0]
    for stem in (name, *(name.removesuffix(part) for part in ("_bucket", "_sum", "_count", "_total"))):
        if stem in kinds:
            return kinds[stem]
    return ""
