"""One engine's page over many scrapes: read, continued across restarts of the engine, evaluated."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from inferometer.errors import SourceError, StateError
from inferometer.fleet import engines
from inferometer.fleet.engines import model
from inferometer_exporters.engines.detection import Version, engine_of, version_of
from inferometer_exporters.engines.evaluate import Found, evaluate
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.plan import Mapper
from inferometer_exporters.engines.raw import Raw, RawPage, Values
from inferometer_exporters.engines.reading import page_names, unknown_families
from inferometer_exporters.engines.totals import Totals
from inferometer_exporters.engines.ways import Plan
from inferometer_exporters.pages.exposition import Family, decoded, sample

FORMAT: Final = 1
"""Of what `EnginePage.dump` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page says."""

    engine: str
    version: Version
    found: list[Found]
    unknown: tuple[str, ...]
    """Families and labels' values that the mapping does not know."""
    restarts: int
    """Times that the engine began anew since its page is read."""
    computes: bool
    """Whether it works on a device itself."""


class EnginePage:
    """Reads one engine's page again and again.

    Args:
        target: whose page it is, for labels.
        engine: as fleet.yaml says it; None: found by the names on the page.
        version: as fleet.yaml says it; None: nothing.
    """

    def __init__(self, target: Target, engine: str | None, version: str | None = None) -> None:
        self._target = target
        self._said = version
        self._mapping: model.Mapping | None = None if engine is None else engines.load(engine)
        self._reader: _Reader | None = None
        self._totals = Totals()
        self._kept: list[Raw] = []

    def read(self, page: bytes) -> Told:
        """What the page says now.

        Raises:
            SourceError: it is not in Prometheus' text format, or not a page of the engine.
        """
        text = decoded(page)
        if self._mapping is None:
            self._mapping = engine_of(page_names(text))
        reader = self._reader
        if reader is None:
            reader = self._reader = _Reader(self._mapping, self._target, self._said, None, self._kept)
        values = reader.update(text)
        if reader.version.exact != reader.of:
            # Another version tells other things under the same names.
            reader = self._reader = _Reader(self._mapping, self._target, self._said, reader.version, reader.page.series)
            values = reader.update(text)
        if all(value is None for value in values):
            raise SourceError(f"no series of {self._mapping.title} is on the page", why="other_engine")
        plan, raws = reader.plan, reader.page.series
        shown = self._totals.follow(values, raws, plan.groups)
        return Told(
            engine=self._mapping.engine,
            version=reader.version,
            found=evaluate(plan, shown, values),
            unknown=reader.unknown,
            restarts=self._totals.restarts,
            computes=self._mapping.computes,
        )

    def dump(self) -> bytes:
        """What must survive: the totals, and what their series are."""
        raws = self._reader.page.series if self._reader is not None else self._kept
        document = {
            "format": FORMAT,
            "engine": None if self._mapping is None else self._mapping.engine,
            "series": [
                [raw.text, raw.name, raw.family.name, raw.family.type, raw.family.part, raw.spelling] for raw in raws
            ],
            **self._totals.dump(),
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

    def load(self, data: bytes) -> None:
        """Go on where `dump` ended; what another engine left is of no use.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise StateError(f"an engine's totals of format {document['format']}, {FORMAT} is right")
            if self._mapping is not None and document["engine"] != self._mapping.engine:
                return
            kept = [_raw(fields) for fields in document["series"]]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"an engine's totals are not as inferometer writes them: {error}") from error
        self._totals.load(document)
        self._kept = kept


def _raw(fields: Sequence[Any]) -> Raw:
    text, name, family, declared, part, spelling = fields
    of = Family(str(family), str(declared), str(part))
    return Raw(str(name), of, sample(f"{text} 0").labels, int(spelling), str(text))


class _Reader:
    """A page read by mappings of one version."""

    def __init__(
        self,
        mapping: model.Mapping,
        target: Target,
        said: str | None,
        version: Version | None,
        kept: list[Raw],
    ) -> None:
        self._mapping = mapping
        self._target = target
        self._said = said
        self.of = version.exact if version is not None else None
        """The version by which series are read; None: unknown."""
        self._mapper = Mapper(mapping, [engines.load(name) for name in mapping.contains], self.of)
        self.page = RawPage(self._mapper.named, self._mapper.wants)
        self.page.remember(raw for raw in kept if self._mapper.wants(raw.family))
        self._seen: tuple[int, int] | None = None
        self.plan: Plan
        self.version: Version
        self.unknown: tuple[str, ...] = ()

    def update(self, text: str) -> Values:
        values = self.page.update(text)
        if self._seen != (state := (self.page.generation, len(self.page.series))):
            self._seen = state
            self.plan = self._mapper.plan(self.page.series, self._target)
            names = {self._mapper.named(of.name).name for of in self.page.families.values()}
            labelled = ((raw.name, raw.labels) for raw in self.page.series)
            self.version = version_of(
                self._mapping, names | {raw.name for raw in self.page.series}, labelled, self._said
            )
            self.unknown = (*unknown_families(self._mapper, self.page), *self.plan.unknown)
        return values
