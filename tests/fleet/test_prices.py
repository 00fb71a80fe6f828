"""Prices: the book, owned hardware, which device they are for; what is wrong is pointed at."""

import subprocess
import sys
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer import generated_tables
from inferometer.errors import FleetError
from inferometer.fleet import default_prices, device_prices, ownership, price_book, price_table, thresholds_file
from inferometer.fleet.devices import PriceKind
from inferometer.fleet.loader import load, loads
from inferometer.fleet.ownership import Owned
from inferometer.fleet.scalars import WrongValueError
from inferometer.fleet.summary import thresholds as thresholds_of
from inferometer.fleet.thresholds import PICODOLLARS, Price, Thresholds

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples/fleet.yaml").read_text()
H100 = "{usd_per_hour: 2.99, kind: reserved, source: contract, as_of: 2026-10-01}"
BOOK = price_book.load()


def with_price(text, match='{kind: gpu, model: "NVIDIA H100*"}'):
    made = EXAMPLE.replace(H100, text).replace('{kind: gpu, model: "NVIDIA H100*"}', match)
    assert made != EXAMPLE
    return loads(made)


def test_every_figure_of_the_book_has_a_source_with_a_date_and_every_default_a_price():
    assert {instance.source for instance in BOOK.instances} == {source.name for source in BOOK.sources}
    assert all(date(2026, 1, 1) < source.as_of and source.url.startswith("https://") for source in BOOK.sources)
    assert {gpu.name for gpu in BOOK.gpus} == {instance.gpu for instance in BOOK.instances}
    assert all(listed.on_demand or listed.spot for instance in BOOK.instances for listed in instance.prices)
    names = [name for gpu in BOOK.gpus for name in gpu.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("instance", "region", "kind", "usd"),
    [
        ("p5.48xlarge", "us-east-1", PriceKind.ON_DEMAND, "6.88"),
        ("p4d.24xlarge", "us-east-1", PriceKind.ON_DEMAND, "2.74470525"),
        ("p6-b200.48xlarge", "us-east-1", PriceKind.ON_DEMAND, "14.2416"),
        ("Standard_ND96isr_MI300X_v5", "eastus2", PriceKind.ON_DEMAND, "6"),
        ("Standard_ND128isr_NDR_GB200_v6", "eastus", PriceKind.ON_DEMAND, "27.04"),
        ("g2-standard-4", "us-central1", PriceKind.SPOT, "0.397336"),
    ],
)
def test_a_gpus_price_is_the_nodes_price_divided_by_its_gpus(instance, region, kind, usd):
    price = BOOK.of_instance(instance, region, kind)

    assert price.picodollars_per_hour == Decimal(usd) * PICODOLLARS
    assert price.source == f"instance:{BOOK.instance(instance).source}:{instance}:{region}"
    assert price.price_kind == kind


@pytest.mark.parametrize(
    ("instance", "region", "kind", "message", "hint"),
    [
        ("p5.48xlrge", "us-east-1", "on_demand", "no instance 'p5.48xlrge'", "did you mean 'p5.48xlarge'"),
        ("p5.48xlarge", "eu-west-1", "on_demand", "no price of p5.48xlarge in 'eu-west-1'", "us-east-1"),
        ("p5.48xlarge", "us-east-1", "spot", "no spot price of p5.48xlarge", "known: on_demand"),
        ("p5.48xlarge", "us-east-1", "owned", "no owned price", "known: on_demand"),
    ],
)
def test_what_the_book_does_not_know_is_not_guessed(instance, region, kind, message, hint):
    with pytest.raises(WrongValueError, match=message) as error:
        BOOK.usd_per_gpu(instance, region, PriceKind(kind))

    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Tesla T4", "builtin:aws:g4dn.xlarge"),
        ("NVIDIA H100 80GB HBM3", "builtin:aws:p5.48xlarge"),
        ("NVIDIA A100-SXM4-40GB", "builtin:aws:p4d.24xlarge"),
        ("NVIDIA A100-SXM4-80GB", "builtin:aws:p4de.24xlarge"),
        ("NVIDIA A100 80GB PCIe", "builtin:azure:Standard_NC24ads_A100_v4"),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None),
        ("NVIDIA GeForce RTX 4090", None),
        ("", None),
    ],
)
def test_a_gpu_has_the_default_of_its_own_name_or_none(name, source):
    found = Thresholds(prices=tuple(BOOK.defaults())).price("gpu", name)

    assert (found and found.source) == source


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gpu: t4", "gpu: t5", "there is no GPU 't5'"),
        ("source: gcp", "source: gpc", "there is no source 'gpc'"),
        ("type: p5.48xlarge, region: us-east-1", "type: p5.48xlarge, region: mars", "gpus.h100.default: .*'mars'"),
        ("type: p5.48xlarge, region", "type: p4d.24xlarge, region", "p4d.24xlarge has no h100"),
        ("gpus: 8", "gpus: 0", "'0' is no number of GPUs"),
        ("on_demand: 55.04", "on_demand: -1", "'-1' is no amount of money"),
        ("memory_gb: 141", "memory_gb: lots", "'lots' is no number of gigabytes"),
        ("as_of: 2026-07-20", "as_of: July", "'July' is no date"),
    ],
)
def test_a_book_that_contradicts_itself_is_pointed_at(tmp_path, old, new, message):
    text = price_book.PATH.read_text()
    assert old in text
    path = tmp_path / "prices.yaml"
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(FleetError, match=message) as error:
        price_book.load(path)

    assert str(error.value).startswith(f"{path}:")
    assert "^" in str(error.value)


OWNED = "{owned: {purchase_usd: 38000, salvage_percent: 10, years: 4, watts: 1200, pue: 1.3, usd_per_kwh: 0.14"


def test_owned_hardware_costs_its_loss_of_value_its_power_and_the_rest():
    fleet = with_price(OWNED + ", usd_per_hour_other: 0.20}, source: invoice, as_of: 2026-01-15}")
    price = thresholds_of(fleet).prices[0]

    assert price.picodollars_per_hour == round((Fraction(34200, 35040) + Fraction("0.2184") + Fraction("0.2")) * 10**12)
    assert (price.price_kind, price.source, price.as_of) == ("owned", "invoice", "2026-01-15")


money = st.decimals(min_value=0, max_value=10**6, places=4)


@given(
    purchase=money, salvage=st.decimals(0, 100, places=2), years=st.decimals("0.1", 30, places=1),
    watts=st.decimals(0, 10_000, places=1), pue=st.decimals(1, 5, places=2), kwh=st.decimals(0, 10, places=4),
    other=money, hours=st.integers(1, 10**6),
)  # fmt: skip
def test_what_owned_hardware_costs_in_its_life_is_what_was_paid_for_it(
    purchase, salvage, years, watts, pue, kwh, other, hours
):
    owned = Owned(
        purchase_usd=purchase, salvage_percent=salvage, years=years, watts=watts, pue=pue, usd_per_kwh=kwh,
        usd_per_hour_other=other,
    )  # fmt: skip
    hourly = ownership.usd_per_hour(owned)
    life = Fraction(years) * ownership.HOURS_PER_YEAR

    spread = hourly - Fraction(watts) * Fraction(pue) * Fraction(kwh) / 1000 - Fraction(other)
    assert spread * life == Fraction(purchase) * (100 - Fraction(salvage)) / 100
    assert abs(round(hourly * PICODOLLARS) * hours - hourly * PICODOLLARS * hours) <= Fraction(hours, 2)


DATED = ", source: a, as_of: 2026-01-15}"
MUCH = "{usd_per_hour: 2000000000, kind: spot" + DATED
BOUGHT = "{owned: {purchase_usd: 1, watts: 1"
LISTED = "{instance: {type: p5.48xlarge, region: us-east-1"


@pytest.mark.parametrize(
    ("price", "message", "hint"),
    [
        ("{kind: spot" + DATED, "needs exactly one of usd_per_hour, owned, instance", ""),
        (H100[:-1] + ", instance: {type: p5.48xlarge, region: us-east-1}}", "needs exactly one of", ""),
        ("{usd_per_hour: 1" + DATED, "lacks the key 'kind'", "add `kind: on_demand`"),
        ("{usd_per_hour: 1, kind: spot, as_of: 2026-10-01}", "lacks the key 'source'", "add `source: contract`"),
        ("{usd_per_hour: 1, kind: spot, source: list}", "lacks the key 'as_of'", "add `as_of: 2026-10-01`"),
        (MUCH, "more than any device costs", "at most"),
        (OWNED + "}, source: invoice}", "lacks the key 'as_of'", ""),
        (OWNED + "}, kind: spot" + DATED, "is owned, but its kind is spot", "remove"),
        (BOUGHT + ", years: 0, usd_per_kwh: 1}" + DATED, "0 is outside of 0.1 to 30", "number of years: 4"),
        (BOUGHT + ", years: 4, pue: 0.9, usd_per_kwh: 1}" + DATED, "0.9 is outside of 1 to 5", "1.3"),
        (BOUGHT + ", years: 4}" + DATED, "lacks the key 'usd_per_kwh'", "Price of electricity"),
        (LISTED.replace("large", "lrge") + "}}", "no instance 'p5.48xlrge'", "did you mean 'p5.48xlarge'"),
        (LISTED + "}, source: list}", "has a source, but the price book", "remove it"),
        (LISTED + ", kind: spot}}", "no spot price", "known: on_demand"),
    ],
)
def test_a_price_that_cannot_be_right_is_pointed_at(price, message, hint):
    with pytest.raises(FleetError, match=message) as error:
        with_price(price)

    assert error.value.place.line == EXAMPLE.splitlines().index(f"    price: {H100}") + 1
    assert hint in error.value.hint


def test_a_cpu_has_no_price_in_the_book():
    with pytest.raises(FleetError, match="is for a cpu, but the price book has prices of GPUs"):
        with_price("{instance: {type: p5.48xlarge, region: us-east-1}}", "{kind: cpu}")


def test_an_instance_in_fleet_yaml_has_the_books_price_source_and_date():
    price = thresholds_of(with_price("{instance: {type: g2-standard-4, region: us-central1, kind: spot}}")).prices[0]

    assert (price.usd_per_hour, price.price_kind, price.as_of) == (0.397336, "spot", "2026-08-03")
    assert (price.source, price.model) == ("instance:gcp:g2-standard-4:us-central1", "NVIDIA H100*")


def one(**given):
    told = {"kind": "gpu", "model": "*", "picodollars_per_hour": 1, "price_kind": "spot", "source": "s", "as_of": "d"}
    return Price(**(told | given))


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ({}, True),
        ({"model": "NVIDIA H100*"}, True),
        ({"model": "nvidia h100*"}, False),
        ({"kind": "cpu"}, False),
        ({"name": "GPU-1*"}, True),
        ({"name": "GPU-2*"}, False),
        ({"host": "rack-?"}, True),
        ({"host": "rack-??"}, False),
        ({"region": "us-*"}, True),
        ({"region": "eu-*"}, False),
    ],
)
def test_all_that_is_said_of_a_device_must_be_so(given, matches):
    known = Thresholds(prices=(one(**given),)).at("rack-7", "us-east-1")

    assert (known.price("gpu", "NVIDIA H100 80GB HBM3", name="GPU-1234") is not None) is matches


def test_what_is_not_known_of_a_device_matches_only_a_star():
    for key in ("model", "name", "host", "region"):
        known = Thresholds(prices=(one(**{key: "?*"}), one(source="any"))).at("", "")
        assert known.price("gpu", "").source == "any"


words = st.sampled_from(["", "a", "ab", "b*", "a*", "*", "?"])


@given(st.lists(st.builds(one, model=words, name=words, host=words, region=words), max_size=6), words, words)
def test_the_first_price_that_matches_counts_and_further_ones_come_last(prices, model, name):
    known = Thresholds(prices=tuple(prices)).at("a", "b", one(source="last"))
    found = known.price("gpu", model, name=name)
    mine = [p for p in prices if p.covers("a", "b") and p.matches("gpu", model, name)]

    assert found == (mine[0] if mine else one(source="last"))


def test_a_file_of_the_format_before_is_read_and_its_prices_are_for_every_host():
    text = thresholds_file.dumps(Thresholds(prices=(one(),))).replace('"format": 2', '"format": 1')
    for key in ("name", "host", "region"):
        text = text.replace(f',\n      "{key}": "*"', "")

    assert '"host"' not in text
    assert thresholds_file.loads(text).prices == (one(),)


def test_a_price_of_half_a_year_ago_is_named():
    fleet = load(ROOT / "examples/fleet.yaml")

    assert list(device_prices.stale(fleet, date(2027, 3, 30))) == []
    assert [text.partition(":")[0] for text in device_prices.stale(fleet, date(2027, 3, 31))] == [
        "devices[0] (gpu NVIDIA H100*)", "devices[1] (cpu *)",
    ]  # fmt: skip


def test_the_tables_of_the_documentation_are_those_of_the_book():
    text = (ROOT / "docs/prices.md").read_text()

    assert generated_tables.filled(text, price_table.TABLES) == text
    assert generated_tables.filled(text.replace("6.8800", "9.9999"), price_table.TABLES) == text


def test_the_example_of_the_documentation_is_read_as_it_stands():
    text = (ROOT / "docs/prices.md").read_text()
    devices = text.split("```yaml\n")[1].split("```")[0]
    before, _, rest = EXAMPLE.partition("devices:\n")
    fleet = loads(before + devices + "receivers:" + rest.partition("receivers:")[2])

    listed = BOOK.usd_per_gpu("Standard_ND96isr_H100_v5", "westeurope", PriceKind.ON_DEMAND)
    assert [f"{price.usd_per_hour:.4f}" for price in device_prices.prices(fleet)] == [
        "2.9900", "1.1000", "1.3944", f"{float(listed):.4f}",
    ]  # fmt: skip


def test_generate_names_a_price_that_is_old(tmp_path):
    config = tmp_path / "fleet.yaml"
    config.write_text(EXAMPLE.replace("as_of: 2026-10-01", "as_of: 2024-10-01", 1))
    command = [sys.executable, "-m", "inferometer_compose", "generate", "--config", config, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "devices[0] (gpu NVIDIA H100*): its price of 2024-10-01 is" in done.stderr


def test_the_defaults_that_a_sidecar_reads_are_those_of_the_book():
    assert default_prices.load() == tuple(BOOK.defaults())
    assert default_prices.PATH.read_text() == default_prices.written()
    assert default_prices.main(["--check"]) == 0


def test_defaults_that_are_not_of_the_book_are_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(default_prices, "PATH", tmp_path / "defaults.json")

    assert default_prices.main(["--check"]) == 1
    assert "out of date with prices.yaml" in capsys.readouterr().err
    assert default_prices.main([]) == 0
    assert default_prices.main(["--check"]) == 0
    assert default_prices.main(["--else"]) == 2
