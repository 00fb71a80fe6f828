"""From a foreign engine to its GPUs: on a host with several, fleet.yaml must say which it runs on."""

from collections.abc import Iterator

from inferometer.catalog import engines as catalog
from inferometer.catalog.gpus import GPU_INFO
from inferometer.catalog.labels import DEVICE, ENGINE, REPLICA, SERVICE
from inferometer.errors import InferometerError
from inferometer.fleet import engines
from inferometer_compose.doctor.link import Link, Where, broken, whole

NAME = "engine devices"


def look(where: Where) -> Iterator[Link]:
    """One link, where fleet.yaml is known and the sidecar reads pages of engines that compute on a host with GPUs."""
    try:
        page = where.page
    except InferometerError:
        return  # which `records` has said
    gpus = sorted({one.labels[DEVICE.name] for one in page if one.name == GPU_INFO.name})
    pages: dict[str, set[str]] = {}
    for one in page:
        engine = one.labels.get(ENGINE.name, "")
        if one.name == catalog.INFO.name and engine in engines.names() and engines.load(engine).computes:
            pages.setdefault(one.labels[SERVICE.name], set()).add(one.labels[REPLICA.name])
    if where.fleet is None or not gpus or not pages:
        return
    unsaid = [
        service.name
        for service in where.fleet.services
        if service.name in pages and not service.devices and len(gpus) > 1
    ]
    if unsaid:
        first = unsaid[0]
        count = len(pages[first])
        yield broken(
            NAME,
            f"nobody knows on which of {len(gpus)} GPUs {', '.join(unsaid)} run: their time is charged to nobody, and "
            "these GPUs look idle",
            f'services.{first}.devices: ["{gpus[0]}"], '
            + ("one entry" if count == 1 else f"an entry for each of its {count} pages, or one for all")
            + f"; commas for one engine on several; there are {', '.join(gpus)} (docs/engines.md#cost)",
        )
    else:
        yield whole(NAME, f"{len(pages)} engine{'s' * (len(pages) > 1)} on {len(gpus)} GPU{'s' * (len(gpus) > 1)}")
