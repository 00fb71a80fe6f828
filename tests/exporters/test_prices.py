"""Which price a sidecar gives a device, and what a price that changes changes."""

import logging
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inferometer.aggregate import Aggregator
from inferometer.aggregate.text import TextRenderer
from inferometer.errors import SourceError
from inferometer.fleet.devices import PriceKind
from inferometer.fleet.thresholds import NOTHING, Price, Thresholds
from inferometer_exporters.ledger.account import Account, Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.opencost import gpu_price
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.price_series import PriceSeries
from inferometer_exporters.prices import Placing, priced

H100 = "NVIDIA H100 80GB HBM3"
HOUR = 3_600 * 10**9
OWN = Price(
    kind="gpu", model="*", picodollars_per_hour=10**12, price_kind="reserved", source="contract", as_of="2026-10-01",
    name="GPU-mine",
)  # fmt: skip
PAGE = b"""# TYPE node_gpu_hourly_cost gauge
node_gpu_hourly_cost{node="box",instance="box",provider_id="i-1"} 2.340000000
node_gpu_hourly_cost{node="cpu-only",instance="cpu-only",provider_id="i-2"} 0
kubecost_node_is_spot{node="box"} 1
"""


@pytest.fixture
def opencost():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield PageUrl.parse(f"http://127.0.0.1:{server.server_port}/metrics")
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_first_that_knows_a_device_counts_from_fleet_yaml_to_the_default(opencost):
    known = Thresholds(prices=(OWN,))
    named = Placing(region="us-east-1", instance_type="p5.48xlarge", opencost=opencost)
    orders = [
        (known, named, "GPU-mine", "contract"),
        (known, named, "GPU-other", "instance:aws:p5.48xlarge:us-east-1"),
        (known, Placing(opencost=opencost), "GPU-other", "opencost"),
        (known, Placing(), "GPU-other", "builtin:aws:p5.48xlarge"),
        (NOTHING, Placing(), "GPU-other", "builtin:aws:p5.48xlarge"),
    ]

    for thresholds, placing, name, source in orders:
        assert priced(thresholds, "box", placing).price("gpu", H100, name=name).source == source
    assert priced(NOTHING, "box", Placing()).price("gpu", "Some GPU") is None
    assert priced(NOTHING, "box", Placing()).price("cpu", "Some CPU") is None


def test_the_gpus_of_a_named_instance_carry_the_node():
    known = priced(NOTHING, "box", Placing(region="us-central1", instance_type="g2-standard-4", kind=PriceKind.SPOT))

    assert known.price("gpu", "").picodollars_per_hour == 397_336_000_000
    assert known.price("cpu", "any").picodollars_per_hour == 0
    assert known.price("cpu", "any").source == "instance:gcp:g2-standard-4:us-central1"


@pytest.mark.parametrize(
    ("placing", "said"),
    [
        (Placing(region="us-east-1", instance_type="p5.48xlrge"), "no instance 'p5.48xlrge'; did you mean"),
        (Placing(instance_type="p5.48xlarge"), "no price of p5.48xlarge in ''"),
        (Placing(opencost=PageUrl.parse("http://127.0.0.1:9/metrics")), "OpenCost's price is not used"),
    ],
)
def test_what_is_named_wrong_is_said_and_the_default_counts(placing, said, caplog):
    with caplog.at_level(logging.WARNING):
        known = priced(NOTHING, "box", placing)

    assert said in caplog.text
    assert known.price("gpu", H100).source == "builtin:aws:p5.48xlarge"


def test_opencosts_price_is_that_of_one_gpu_of_this_node(opencost):
    price = gpu_price(opencost, "box", today=date(2026, 10, 1))

    assert (price.picodollars_per_hour, price.price_kind, price.as_of) == (2_340_000_000_000, "spot", "2026-10-01")


@pytest.mark.parametrize("node", ["cpu-only", "elsewhere"])
def test_a_node_of_which_opencost_knows_no_gpu_has_no_price_of_it(opencost, node):
    with pytest.raises(SourceError, match=f"no node_gpu_hourly_cost of node '{node}'"):
        gpu_price(opencost, node)


def test_a_price_that_changes_at_a_restart_changes_only_what_comes_after_it():
    device = Device(name="GPU-1", kind="gpu", model=H100)
    prices = {"old": 6_880_000_000_001, "new": 999_999_999_999}

    def rate(which):
        price = Price(
            kind="gpu",
            model="*",
            picodollars_per_hour=prices[which],
            price_kind="spot",
            source=which,
            as_of="2026-10-01",
        )
        return lambda _: Rate.of(price)

    first = Ledger(0, rate("old"))
    first.device(device)
    first.sweep(HOUR, State.WARM_IDLE)
    before = first.accounts[0].bill
    second = Ledger(HOUR, rate("new"))
    second.load(first.dump(), now=HOUR, gap=None)
    restored = second.accounts[0].bill
    second.sweep(3 * HOUR, State.WARM_IDLE)

    assert before == restored == prices["old"]
    assert second.accounts[0].bill == prices["old"] + 2 * prices["new"]
    assert second.accounts[0].rate.price.source == "new"
    assert sum(second.accounts[0].states.values()) == second.accounts[0].wall


def account(device, price=None, parts=(1, 1)):
    rate = None if price is None else Rate.of(price).part(*parts)
    return Account(device=device, opened=0, since=0, rate=rate)


def test_a_price_is_shown_with_its_source_and_date_and_an_old_one_no_longer():
    aggregator = Aggregator()
    series = PriceSeries(aggregator)
    host, gpu = Device(name="box", kind="cpu"), Device(name="GPU-1", kind="gpu", model=H100)
    series.show([account(host), account(gpu, OWN, (3, 7))])
    page = text(aggregator)

    assert 'device_price_info{device="GPU-1",source="contract",as_of="2026-10-01",price_kind="reserved"} 1' in page
    assert 'device_price_as_of_timestamp_seconds{device="GPU-1"} 1790812800' in page
    assert 'node_gpu_hourly_cost{node="box"} 1' in page
    assert 'device_price_usd_per_hour{device="GPU-1"} 0.428571428571428' in page

    builtin = priced(NOTHING, "box", Placing()).price("gpu", H100)
    series.show([account(host), account(gpu, builtin)])
    page = text(aggregator)
    assert "contract" not in page
    assert 'source="builtin:aws:p5.48xlarge"' in page
    assert 'node_gpu_hourly_cost{node="box"} 6.88' in page

    series.show([account(host), account(gpu)])
    assert "device_price" not in text(aggregator)
    assert "node_gpu_hourly_cost" not in text(aggregator)


def text(aggregator):
    lines = TextRenderer(openmetrics=False).render(aggregator.snapshot()).decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))
