"""Write the tables of the price book into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.fleet.price_table [--check] FILE...``
"""

import argparse
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from inferometer.fleet import price_book
from inferometer.fleet.model import PriceKind
from inferometer.fleet.price_book import PriceBook

_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
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


TABLES: Final[dict[str, Callable[[PriceBook], str]]] = {
    "gpu-prices": _gpus,
    "instance-prices": _instances,
    "price-sources": _sources,
}


def filled(text: str, book: PriceBook) -> str:
    """*text* with every block ``<!-- generated: NAME -->`` … ``<!-- end -->`` filled anew.

    Raises:
        KeyError: a block names a table that does not exist.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{TABLES[block['name']](book)}\n{block[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or compare; 1 where ``--check`` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m inferometer.fleet.price_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    book = price_book.load()
    stale = [path for path in options.files if filled(path.read_text(), book) != path.read_text()]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date with the price book; run `make generate`\n")
        else:
            path.write_text(filled(path.read_text(), book))
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
