"""The price book: list prices of instances and GPUs, with where and when each was read; needs the extra ``sidecar``."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

from inferometer.errors import FleetError
from inferometer.fleet import amounts, document, scalars, texts, thresholds, times
from inferometer.fleet.devices import DeviceKind, PriceKind
from inferometer.fleet.document import Mapping, Value, wrong
from inferometer.fleet.reader import read_object
from inferometer.fleet.scalars import WrongValueError, nearest
from inferometer.fleet.schema import Key, Listing, Nested, Table
from inferometer.fleet.thresholds import PICODOLLARS

PATH: Final = Path(__file__).with_name("prices.yaml")
BUILTIN: Final = "builtin"
"""First part of the source of a price that nobody chose: ``builtin:aws:p5.48xlarge``."""
INSTANCE: Final = "instance"
"""First part of the source of a price of an instance that somebody named: ``instance:aws:p5.48xlarge:us-east-1``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where prices were read, and when."""

    name: str
    title: Annotated[str, Key(texts.TEXT, "What it is.")]
    url: Annotated[str, Key(texts.URL, "Where it is.")]
    as_of: Annotated[date, Key(times.DATE, "Date of its figures.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An instance type in a region."""

    type: Annotated[str, Key(texts.TEXT, "Type of instance.")]
    region: Annotated[str, Key(texts.TEXT, "Region.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A model of GPU: what the driver calls it, and whose price it has by default."""

    name: str
    names: Annotated[tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "Names that the driver gives it.")]
    memory_gb: Annotated[Decimal | None, Key(amounts.GIGABYTES, "Memory, as it is sold.")] = None
    default: Annotated[Reference, Key(Nested(Reference), "Instance whose price it has by default.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Prices of an instance in one region, US dollars per hour."""

    name: str
    on_demand: Annotated[Decimal | None, Key(amounts.USD, "On demand.")] = None
    spot: Annotated[Decimal | None, Key(amounts.USD, "Spot.")] = None
    reserved: Annotated[Decimal | None, Key(amounts.USD, "Reserved.")] = None

    def usd(self, kind: PriceKind) -> Decimal | None:
        """The price of a kind; None where it is not known."""
        return {PriceKind.ON_DEMAND: self.on_demand, PriceKind.SPOT: self.spot, PriceKind.RESERVED: self.reserved}.get(
            kind
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A type of instance with GPUs."""

    name: str
    source: Annotated[str, Key(texts.SLUG, "Source of its prices, which is its provider.")]
    gpu: Annotated[str, Key(texts.SLUG, "Its GPUs.")]
    gpus: Annotated[int, Key(amounts.GPUS, "How many.")]
    prices: Annotated[tuple[Listed, ...], Key(Table(Listed, texts.TEXT), "Prices by region.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """All that the file says."""

    version: Annotated[int, Key(scalars.VERSION, "Version of this file's format.")]
    sources: Annotated[tuple[Source, ...], Key(Table(Source, texts.SLUG), "Where prices were read.")]
    gpus: Annotated[tuple[Gpu, ...], Key(Table(Gpu, texts.SLUG), "Models of GPUs.")]
    instances: Annotated[tuple[InstanceType, ...], Key(Table(InstanceType, texts.TEXT), "Types of instances.")]

    def source(self, name: str) -> Source:
        """The source of a name."""
        return next(source for source in self.sources if source.name == name)

    def instance(self, name: str) -> InstanceType:
        """The type of instance of a name.

        Raises:
            WrongValueError: the book does not have it; the hint names one that is like it.
        """
        found = next((instance for instance in self.instances if instance.name == name), None)
        if found is None:
            known = tuple(instance.name for instance in self.instances)
            raise WrongValueError(f"the price book has no instance {name!r}", nearest(name, known))
        return found

    def usd_per_gpu(self, name: str, region: str, kind: PriceKind) -> Fraction:
        """US dollars per hour of one GPU of an instance: the whole instance's price divided by its GPUs.

        Raises:
            WrongValueError: the book does not have this instance, or not in this region, or not this kind of price.
        """
        instance = self.instance(name)
        listed = next((listed for listed in instance.prices if listed.name == region), None)
        if listed is None:
            regions = tuple(listed.name for listed in instance.prices)
            raise WrongValueError(f"the price book has no price of {name} in {region!r}", nearest(region, regions))
        if (usd := listed.usd(kind)) is None:
            known = ", ".join(kind for kind in PriceKind if listed.usd(kind) is not None)
            raise WrongValueError(f"the price book has no {kind} price of {name} in {region}", f"known: {known}")
        return Fraction(usd) / instance.gpus

    def of_instance(self, name: str, region: str, kind: PriceKind) -> thresholds.Price:
        """The price of every GPU of a host that is such an instance.

        Raises:
            WrongValueError: as for :meth:`usd_per_gpu`.
        """
        usd = self.usd_per_gpu(name, region, kind)
        provider = self.instance(name).source
        return self._price("*", usd, kind, source=f"{INSTANCE}:{provider}:{name}:{region}", provider=provider)

    def defaults(self) -> Iterator[thresholds.Price]:
        """The price of each model of GPU where nobody said one: a list price, on demand, and visibly a default."""
        for gpu in self.gpus:
            usd = self.usd_per_gpu(gpu.default.type, gpu.default.region, PriceKind.ON_DEMAND)
            provider = self.instance(gpu.default.type).source
            source = f"{BUILTIN}:{provider}:{gpu.default.type}"
            for name in gpu.names:
                yield self._price(name, usd, PriceKind.ON_DEMAND, source=source, provider=provider)

    def _price(self, model: str, usd: Fraction, kind: PriceKind, *, source: str, provider: str) -> thresholds.Price:
        return thresholds.Price(
            kind=DeviceKind.GPU.value,
            model=model,
            picodollars_per_hour=round(usd * PICODOLLARS),
            price_kind=kind.value,
            source=source,
            as_of=self.source(provider).as_of.isoformat(),
        )


def load(path: Path = PATH) -> PriceBook:
    """The price book in a file; inferometer's own unless another is named.

    Raises:
        FleetError: the file is missing, is no YAML, or says something that cannot be right.
    """
    root = document.read(path)
    book = read_object(PriceBook, root, path.name)
    _check(book, root)
    return book


def _check(book: PriceBook, root: Mapping) -> None:
    sources, gpus = (tuple(entry.name for entry in part) for part in (book.sources, book.gpus))
    for instance in book.instances:
        _one_of(instance.source, sources, "source", _at(root, "instances", instance.name, "source"))
        _one_of(instance.gpu, gpus, "GPU", _at(root, "instances", instance.name, "gpu"))
    for gpu in book.gpus:
        place = _at(root, "gpus", gpu.name, "default")
        try:
            book.usd_per_gpu(gpu.default.type, gpu.default.region, PriceKind.ON_DEMAND)
        except WrongValueError as error:
            raise wrong(place, f"gpus.{gpu.name}.default: {error}", error.hint) from error
        if book.instance(gpu.default.type).gpu != gpu.name:
            raise wrong(place, f"{gpu.default.type} has no {gpu.name}", "name an instance with this GPU")


def _one_of(name: str, known: tuple[str, ...], what: str, place: Value) -> None:
    if name not in known:
        raise FleetError(f"there is no {what} {name!r}", place.place, hint=nearest(name, known), width=place.width)


def _at(root: Mapping, *path: str) -> Value:
    value: Value = root
    for name in path:
        found = value.get(name) if isinstance(value, Mapping) else None
        value = found if found is not None else value
    return value
