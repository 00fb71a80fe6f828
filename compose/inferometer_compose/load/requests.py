"""The requests that the load generator sends, in a sequence that its seed decides."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from inferometer_compose.load.files import a_file
from inferometer_compose.load.recordings import recordings
from inferometer_compose.load.texts import query

# Shares in percent. The tenants nobody declared are counted as `other`.
_TENANTS = {"acme": 45, "globex": 35, "initech": 12, "hooli": 8}
_KINDS = {"/search": 60, "/files": 30, "/listen": 10}


@dataclass(frozen=True, slots=True)
class Order:
    """One request to the gateway."""

    path: str
    tenant: str
    content_type: str
    body: bytes


def orders(seed: int) -> Iterator[Order]:
    """Requests without end."""
    dice = random.Random(seed)  # noqa: S311 - the same load for the same seed, no secret
    sounds = recordings(seed)
    while True:
        path = dice.choices(list(_KINDS), list(_KINDS.values()))[0]
        tenant = dice.choices(list(_TENANTS), list(_TENANTS.values()))[0]
        if path == "/search":
            yield Order(path, tenant, "application/json", json.dumps({"query": query(dice)}).encode())
        elif path == "/files":
            yield Order(path, tenant, "application/octet-stream", a_file(dice))
        else:
            yield Order(path, tenant, "application/octet-stream", next(sounds))
