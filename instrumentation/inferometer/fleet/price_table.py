"""Write the tables of the price book into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.fleet.price_table [--check] FILE...``
"""

import sys
from decimal import Decimal
from fractions import Fraction
from typing import Final

from inferometer import generated_tables
from inferometer.fleet import price_book
from inferometer.fleet.devices import PriceKind
from inferometer.fleet.price_book import PriceBook

_DIGITS: Final = Decimal("0.0001")


def _gpus(book: PriceBook) -> str:
    rows = ["| GPU | the driver calls it | GB | USD per hour | of | as of |", "|---|---|---|---|---|---|"]
    for gpu in book.gpus:
        usd = book.usd_per_gpu(gpu.default.type, gpu.default.region, PriceKind.ON_DEMAND)
        source = book.source(book.instance(gpu.default.type).source)
        names = ", ".join(f"`{name}`" for name in gpu.names)
        memory = "" if gpu.memory_gb is None else f"{gpu.memory_gb.normalize():f}"
        of = f"{source.name} `{gpu.default.type}`, {gpu.default.region}"
        rows.append(f"| {gpu.name} | {names} | {memory} | {_usd(usd)} | {of} | {source.as_of} |")
    return "\n".join(rows)


def _instances(book: PriceBook) -> str:
    rows = ["| instance | GPUs | region | on demand, per GPU | spot, per GPU |", "|---|---|---|---|---|"]
    for instance in book.instances:
        for listed in instance.prices:
            costs = (listed.on_demand, listed.spot)
            on_demand, spot = ("" if usd is None else _usd(Fraction(usd) / instance.gpus) for usd in costs)
            name = f"{instance.source} `{instance.name}`"
            rows.append(f"| {name} | {instance.gpus} {instance.gpu} | {listed.name} | {on_demand} | {spot} |")
    return "\n".join(rows)


def _sources(book: PriceBook) -> str:
    rows = ["| provider | source | as of |", "|---|---|---|"]
    rows += [f"| {source.name} | [{source.title}]({source.url}) | {source.as_of} |" for source in book.sources]
    return "\n".join(rows)


def _usd(usd: Fraction) -> str:
    return f"{(Decimal(usd.numerator) / Decimal(usd.denominator)).quantize(_DIGITS):f}"


TABLES: Final[generated_tables.Tables] = {
    "gpu-prices": lambda: _gpus(price_book.load()),
    "instance-prices": lambda: _instances(price_book.load()),
    "price-sources": lambda: _sources(price_book.load()),
}


if __name__ == "__main__":
    sys.exit(generated_tables.main("inferometer.fleet.price_table", sys.argv[1:], TABLES))
