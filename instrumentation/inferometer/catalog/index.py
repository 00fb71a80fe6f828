"""All series of the catalogue, and each by its name."""

from types import ModuleType

from inferometer.catalog import devices, engines, gpus, hosts, requests, telemetry
from inferometer.catalog.model import Series
from inferometer.errors import CatalogError


def _series_of(module: ModuleType) -> tuple[Series, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Series))


SERIES: tuple[Series, ...] = tuple(
    entry for module in (requests, engines, devices, hosts, gpus, telemetry) for entry in _series_of(module)
)
_BY_NAME = {entry.name: entry for entry in SERIES}
if len(_BY_NAME) != len(SERIES):
    raise CatalogError("the catalogue declares a series twice")


def series(name: str) -> Series:
    """The entry of a family's name.

    Raises:
        CatalogError: nothing of that name is declared.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise CatalogError(f"the catalogue has no series {name!r}") from None
