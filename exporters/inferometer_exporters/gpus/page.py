"""GPUs as another exporter's page shows them: which exporter it is, the page itself tells."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from inferometer.errors import SourceError
from inferometer_exporters.gpus import dcgm, smi_page
from inferometer_exporters.gpus.facts import Facts
from inferometer_exporters.gpus.tally import Tally
from inferometer_exporters.pages.exposition import Point, points
from inferometer_exporters.pages.fetch import PageUrl, fetch
from inferometer_exporters.source import Reading

SOURCE_NAME: Final = "gpu_page"
_EXPORTERS: Final[Sequence[tuple[str, Callable[[Iterable[Point]], Facts]]]] = (
    (dcgm.PREFIX, dcgm.facts),
    (smi_page.PREFIX, smi_page.facts),
)


class GpuPage:
    """Readings of a page of dcgm-exporter or nvidia_gpu_exporter.

    Args:
        url: of the page.
        get: fetches it.
        monotonic: seconds.
    """

    name = SOURCE_NAME

    def __init__(
        self,
        url: PageUrl,
        *,
        get: Callable[[PageUrl], bytes] = fetch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._get = get
        self._monotonic = monotonic
        self._page = b""
        self._facts: list[Facts] = []
        self._tallies = [Tally() for _ in _EXPORTERS]

    def read(self) -> Iterator[Reading]:
        """What the page says now.

        Raises:
            SourceError: there is no page, or none of an exporter that we know.
        """
        page = self._get(self._url)
        if page != self._page:
            # dcgm-exporter shows a new one each 30 s unless it is told otherwise: most pages were read before.
            self._facts, self._page = self._read(page), page
        now = self._monotonic()
        for facts, tally in zip(self._facts, self._tallies, strict=True):
            yield from facts.told(tally, now)

    def _read(self, page: bytes) -> list[Facts]:
        try:
            lines = points(page)
            facts = [read(lines) for _, read in _EXPORTERS]
        except SourceError as error:
            raise SourceError(f"{self._url}: {error}") from error
        if not any(fact.readings for fact in facts):
            known = " nor ".join(f"{prefix}…" for prefix, _ in _EXPORTERS)
            raise SourceError(f"{self._url}: no GPU on the page, neither {known}")
        return facts
