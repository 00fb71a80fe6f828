"""docs/protocol.md says what the code does: its example, its tables of types and sections, its limits."""

import re
from pathlib import Path

from inferometer.intake import server
from inferometer.wire.frame import MAX_FRAME_BYTES, decode
from inferometer.wire.layout import REQUESTS, Section
from inferometer.wire.message import MAJOR, MINOR, VERSION, Hello, Reader, Type, acked

DOCUMENT = (Path(__file__).parents[2] / "docs/protocol.md").read_text()


def test_the_example_is_what_it_says():
    example = re.search(r"```hex\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    (hello_kind, hello_bytes), (frame_kind, frame_bytes), (ack_kind, ack_bytes) = Reader().feed(bytes.fromhex(example))

    assert (hello_kind, frame_kind, ack_kind) == (Type.HELLO, Type.FRAME, Type.ACK)
    hello, frame = Hello.from_bytes(hello_bytes), decode(frame_bytes)
    (request,) = (dict(zip(REQUESTS.names, row, strict=True)) for row in frame.rows(REQUESTS))
    assert hello.worker_id == frame.worker_id
    assert request["last"] - request["entry"] == 60_000_000
    assert frame.names.shapes[request["shape"]][:2] == ("embedder", "minilm")
    assert acked(ack_bytes) == frame.sequence == 1


def test_every_type_and_section_is_in_the_document():
    rows = set(re.findall(r"^\| (\d+) \| `(\w+)` \|", DOCUMENT, re.MULTILINE))

    assert {(str(kind.value), kind.name) for kind in Type} <= rows
    assert {(str(section.value), section.name.lower()) for section in Section} <= rows


def test_its_versions_and_limits_are_those_of_the_code():
    assert VERSION.to_bytes(2, "little") == bytes((MAJOR, MINOR))
    assert re.findall(r"^\| (\d+\.\d+) \|", DOCUMENT, re.MULTILINE)[-1] == f"{MAJOR}.{MINOR}"
    assert f"| a message | {MAX_FRAME_BYTES >> 20} MiB |" in DOCUMENT
    assert f"| connections | {server.MAX_CONNECTIONS} |" in DOCUMENT
    assert f"| `HELLO` | within {server.HELLO_SECONDS:.0f} s |" in DOCUMENT
    assert f"| {server.MESSAGE_SECONDS:.0f} s after its first |" in DOCUMENT
    assert f"all connections | {server.MAX_PARTIAL_BYTES >> 20} MiB |" in DOCUMENT
