"""Files of many kinds, made up byte by byte: source code, tables, pictures, archives."""

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

_NAMES = ("order", "parcel", "invoice", "stock", "return", "customer", "price", "voucher")


def a_file(dice: random.Random) -> bytes:
    """The content of a file of some kind, from a few hundred bytes to some ten kilobytes."""
    return dice.choice(_KINDS)(dice)


def _python(dice: random.Random) -> bytes:
    lines = ["import dataclasses", "from pathlib import Path", ""]
    for number in range(dice.randint(3, 60)):
        name = f"{dice.choice(_NAMES)}_{number}"
        lines += [f"def load_{name}(path: Path) -> list[str]:", f'    """Read the {name} file."""']
        lines += [f"    return [line.strip() for line in path.open() if line.startswith({name!r})]", ""]
    return "\n".join(lines).encode()


def _table(dice: random.Random) -> bytes:
    rows = [f"{n},{dice.choice(_NAMES)},{dice.uniform(1, 500):.2f},2026-0{dice.randint(1, 9)}-11" for n in range(200)]
    return ("id,kind,amount,day\n" + "\n".join(rows[: dice.randint(20, 200)])).encode()


def _json(dice: random.Random) -> bytes:
    entries = {
        f"{dice.choice(_NAMES)}-{number}": {"price": dice.randint(1, 99), "open": dice.choice((True, False))}
        for number in range(40)
    }
    return json.dumps({"shop": "demo", "entries": entries}, indent=dice.choice((None, 2))).encode()


def _html(dice: random.Random) -> bytes:
    items = "".join(f"<li><a href='/{name}/{dice.randint(1, 99)}'>{name}</a></li>" for name in _NAMES)
    return f"<!doctype html><html><head><title>Shop</title></head><body><ul>{items}</ul></body></html>".encode()


def _markdown(dice: random.Random) -> bytes:
    parts = [f"## {name.title()}\n\n* first of {dice.randint(2, 9)}\n* see [the page](#{name})\n" for name in _NAMES]
    return ("# Shop\n\n" + "\n".join(parts)).encode()


def _picture(dice: random.Random) -> bytes:
    side = dice.choice((16, 32, 64))
    rows = b"".join(b"\0" + dice.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _compressed(dice: random.Random) -> bytes:
    return gzip.compress(_table(dice), mtime=0)


def _archive(dice: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dice.sample(_NAMES, 3):
            archive.writestr(zipfile.ZipInfo(f"{name}.csv"), _table(dice))
    return buffer.getvalue()


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _python,
    _table,
    _json,
    _html,
    _markdown,
    _picture,
    _compressed,
    _archive,
)
