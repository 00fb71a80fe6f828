"""Two regions write to one Thanos: one query sees both, a pair counts once, a sidecar that starts again counts on."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from free_ports import free_port
from prometheus_server import PROGRAM, eventually
from sidecar_under_test import Sidecar
from thanos_store import Thanos
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import devices, requests
from inferometer.catalog.labels import REGION
from inferometer.catalog.model import Counter
from inferometer.fleet.thresholds_file import dumps
from inferometer.wire.frame import Names
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.prometheus import HA_LABEL
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.process import Command, Process

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

TIME_SCALE = 15
"""A scrape a second."""
PAIRS = {"eu": ("a", "b"), "us": ("a",)}
TOTAL = f"sum by ({REGION.name}) ({requests.REQUESTS.name})"
SEEN = f"count by ({REGION.name}) (count by ({REGION.name}, {HA_LABEL}) (max_over_time(up[15m])))"
"""By how many of each pair a region was seen, whenever that was."""


def settled(condition):
    assert eventually(condition, 60)


def is_counter(entry):
    return isinstance(entry, Counter)


def prometheus(folder, region, replica, page, thanos):
    """One Prometheus with the generated `scale.yml`."""
    port = free_port()
    addresses = Addresses(
        sidecars=(page,), prometheus=f"127.0.0.1:{port}", alertmanager=f"127.0.0.1:{free_port()}", store=thanos.write
    )
    name = f"prometheus-{region}-{replica}"
    made = generate(demo_fleet(), folder / f"{name}-config", time_scale=TIME_SCALE, addresses=addresses)
    command = [
        str(PROGRAM), f"--config.file={made.folder}/prometheus/scale.yml", f"--storage.tsdb.path={folder}/{name}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *TimeScale(TIME_SCALE).prometheus_flags(),
    ]  # fmt: skip
    return Process(Command(name, command, {"REGION": region, "REPLICA": replica}), folder)


@pytest.fixture(scope="module")
def regions(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A sidecar per region, a pair of Prometheus in one of them; a sidecar and one of the pair go away in between."""
    folder = tmp_path_factory.mktemp("regions")
    thanos = Thanos(folder / "thanos")
    sidecars, workers, scraping = {}, {}, {}
    try:
        for region, replicas in PAIRS.items():
            here = folder / region
            here.mkdir()
            (here / "thresholds.json").write_text(dumps(THRESHOLDS))
            sidecars[region] = Sidecar(here, "--metrics-port", str(free_port()))
            sidecars[region].start()
            shape = ("svc", "m", "1", region, "acme", "", "POST", "/m")
            workers[region] = Worker(here / "sidecar.sock", names=Names({1: shape}, {1: "box"}), per_frame=4)
            page = sidecars[region].metrics.removeprefix("http://").partition("/")[0]
            for replica in replicas:
                scraping[region, replica] = prometheus(folder, region, replica, page, thanos)
        # One scrape fetches each new series at 0; requests begin after that.
        for worker in workers.values():
            worker.thread.start()
        settled(lambda: len(thanos.values(TOTAL, by=REGION.name)) == len(PAIRS))
        began = time.time()
        sidecars["eu"].kill()
        sidecars["eu"].start()
        settled(lambda: thanos.values(TOTAL, by=REGION.name).get("eu", 0) > 500)
        settled(lambda: thanos.values(SEEN, by=REGION.name, deduplicated=False) == {"eu": 2, "us": 1})
        scraping["eu", "a"].end(within_seconds=20)
        at_end = len(workers["eu"].spans)
        settled(lambda: thanos.values(TOTAL, by=REGION.name).get("eu", 0) > at_end + 500)
        for worker in workers.values():
            worker.finish()
        sent = {region: len(worker.spans) for region, worker in workers.items()}
        settled(lambda: thanos.values(TOTAL, by=REGION.name) == sent)
        yield SimpleNamespace(thanos=thanos, sent=sent, began=began)
    finally:
        for process in scraping.values():
            process.end(within_seconds=20)
        for sidecar in sidecars.values():
            sidecar.terminate()
        thanos.close()


def test_one_query_counts_every_request_of_both_regions_exactly_once(regions):
    assert regions.thanos.values(TOTAL, by=REGION.name) == regions.sent
    assert min(regions.sent.values()) > 1000


def test_a_pair_is_seen_twice_only_by_who_asks_for_it(regions):
    assert regions.thanos.values(SEEN, by=REGION.name, deduplicated=False) == {"eu": 2, "us": 1}
    assert regions.thanos.values(SEEN, by=REGION.name) == {"eu": 1, "us": 1}


def test_no_counter_goes_back_where_a_sidecar_was_killed_and_one_of_a_pair_ended(regions):
    names = [entry.name for entry in (*vars(requests).values(), *vars(devices).values()) if is_counter(entry)]
    names += [f"{requests.REQUEST_DURATION.name}_{part}" for part in ("count", "bucket")]
    fell = {name: regions.thanos.values(f"sum(resets({name}[10m]))", by="") for name in names}

    assert len([name for name, found in fell.items() if found]) > 8, "they are there"
    assert {name: found for name, found in fell.items() if found not in ({}, {"": 0})} == {}


def test_percentiles_of_native_histograms_are_those_of_both_regions_together(regions):
    native = f"histogram_quantile(0.9, sum(rate({requests.REQUEST_DURATION.name}[5m])))"
    counted = f"histogram_quantile(0.9, sum by (le) (rate({requests.REQUEST_DURATION.name}_bucket[5m])))"
    found, classic = regions.thanos.values(native, by="")[""], regions.thanos.values(counted, by="")[""]

    # Durations are even up to 10 ms or what is left of a frame; a bucket of the classic array is 24 % wide.
    assert 0.004 < found < 0.011
    assert abs(found - classic) < 0.25 * classic
