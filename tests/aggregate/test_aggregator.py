"""Series: bounded, born at 0, the same after a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.aggregate import Aggregator, Exemplar, Exposition
from inferometer.catalog import requests, telemetry
from inferometer.catalog.stages import Outcome
from inferometer.errors import CatalogError, StateError

DURATION = requests.REQUEST_DURATION
MODEL = ("svc", "m", "", "")
SECOND = 10**9


class Clock:
    def __init__(self) -> None:
        self.ns = 100 * SECOND

    def __call__(self) -> int:
        return self.ns


def counted(model: str, outcome: str = "ok") -> tuple[str, ...]:
    return ("svc", model, "", "", "", "", outcome, "true")


def shown(aggregator: Aggregator, name: str) -> dict[tuple[str, ...], object]:
    """Values as a page shows them, by label values."""
    for family in aggregator.snapshot().families:
        if family.entry.name == name:
            return {s.labels: 0 if s.birth is not None else getattr(s, "value", None) for s in family.samples}
    return {}


def settled(aggregator: Aggregator) -> Aggregator:
    """As after a first scrape."""
    Exposition(aggregator.snapshot).respond().fetched()
    aggregator.settle()
    return aggregator


def test_a_new_counter_shows_0_until_one_scrape_has_fetched_it():
    aggregator = Aggregator()
    exposition = Exposition(aggregator.snapshot)
    aggregator.add(requests.REQUESTS, counted("m"), 3)

    page = exposition.respond()
    assert 'outcome="ok",entry="true"} 0\n' in page.body.decode()
    assert not aggregator.settle(), "a page that nobody has read ends nothing"
    page.fetched()

    assert aggregator.settle()
    assert not aggregator.settle()
    assert 'outcome="ok",entry="true"} 3\n' in exposition.respond().body.decode()


def test_a_new_series_shows_its_value_after_a_minute_without_a_scrape():
    clock = Clock()
    aggregator = Aggregator(monotonic_ns=clock)
    aggregator.observe(DURATION, MODEL, 5)
    clock.ns += 59 * SECOND
    assert not aggregator.settle()

    clock.ns += 2 * SECOND

    assert aggregator.settle()
    (sample,) = aggregator.snapshot().families[1].samples
    assert sample.birth is None


def test_a_snapshot_does_not_change_with_what_comes_later():
    aggregator = Aggregator()
    aggregator.add(requests.REQUESTS, counted("m"), 3)
    settled(aggregator)
    before = aggregator.snapshot()

    aggregator.add(requests.REQUESTS, counted("m"), 4)

    assert [s.value for f in before.families if f.entry is requests.REQUESTS for s in f.samples] == [3]
    assert shown(aggregator, requests.REQUESTS.name) == {counted("m"): 7}


def test_families_that_did_not_change_are_the_same_objects_in_the_next_snapshot():
    aggregator = Aggregator()
    aggregator.add(requests.REQUESTS, counted("m"), 3)
    aggregator.observe(DURATION, MODEL, 5)
    first = {family.entry.name: family for family in aggregator.snapshot().families}

    aggregator.observe(DURATION, MODEL, 6)
    second = {family.entry.name: family for family in aggregator.snapshot().families}

    assert first[requests.REQUESTS.name] is second[requests.REQUESTS.name]
    assert first[DURATION.name] is not second[DURATION.name]


def test_what_finds_no_room_goes_to_other_and_is_counted_each_time():
    aggregator = Aggregator(limit=4)
    for model in "abcdefg":
        aggregator.add(requests.REQUESTS, counted(model))
        aggregator.add(requests.REQUESTS, counted(model))
    settled(aggregator)

    values = shown(aggregator, requests.REQUESTS.name)

    assert sum(values.values()) == 14, "sums stay right"
    other = ("other", "other", "other", "other", "other", "other", "ok", "true")
    assert values[other] == 6, "labels of a closed set keep their values"
    assert shown(aggregator, telemetry.SERIES_LIMITED.name) == {(): 6}


def test_a_label_has_no_more_values_than_the_catalogue_allows():
    aggregator = Aggregator()
    for number in range(15):
        aggregator.add(requests.REQUESTS, ("svc", "m", "", "", "", f"class-{number}", "ok", "true"))

    classes = {labels[5] for labels in shown(aggregator, requests.REQUESTS.name)}

    assert len(classes) == 11
    assert "other" in classes


def test_a_series_that_is_removed_makes_room_for_another():
    aggregator = Aggregator()
    for pid in range(500):
        aggregator.follow(telemetry.PROCESS_CPU, ("svc", str(pid)), pid)
        aggregator.remove(telemetry.PROCESS_CPU, ("svc", str(pid - 1)))

    assert shown(aggregator, telemetry.PROCESS_CPU.name) == {("svc", "499"): 499}


def test_a_followed_counter_shows_its_value_at_once_and_is_no_part_of_the_state():
    aggregator = Aggregator()
    aggregator.follow(telemetry.PROCESS_CPU, ("svc", "7"), 5 * SECOND)
    page = Exposition(aggregator.snapshot).respond().body.decode()

    other = Aggregator()
    other.load(aggregator.dump())

    name = telemetry.PROCESS_CPU.name
    assert f'# TYPE {name} counter\n{name}{{service="svc",pid="7"}} 5.0\n' in page
    assert shown(other, telemetry.PROCESS_CPU.name) == {}


def test_a_wrong_number_of_labels_is_refused():
    with pytest.raises(CatalogError, match="has the labels"):
        Aggregator().add(requests.REQUESTS, ("svc",))


def test_an_entry_of_another_kind_is_refused():
    with pytest.raises(CatalogError, match="is a histogram, not a counter"):
        Aggregator().counter(DURATION, MODEL)


VALUES = st.lists(st.integers(0, 200 * SECOND), max_size=60)


@given(VALUES, VALUES)
def test_a_restart_in_between_changes_no_number(before, after):
    def fill(aggregator: Aggregator, values: list[int]) -> None:
        for value in values:
            aggregator.observe(DURATION, MODEL, value)
            aggregator.add(requests.REQUESTS, counted("m", Outcome(value % 7).label), value)

    bounds = {DURATION.name: (250_000_000,)}
    whole = Aggregator(extra_bounds=bounds)
    fill(whole, before + after)
    first, second = Aggregator(extra_bounds=bounds), Aggregator(extra_bounds=bounds)
    fill(first, before)
    second.load(first.dump())
    fill(second, after)

    assert sorted(second.dump().splitlines()) == sorted(whole.dump().splitlines())


def test_a_restart_keeps_which_series_were_fetched():
    aggregator = Aggregator()
    aggregator.add(requests.REQUESTS, counted("old"), 3)
    settled(aggregator)
    aggregator.add(requests.REQUESTS, counted("new"), 4)

    other = Aggregator()
    other.load(aggregator.dump())

    assert shown(other, requests.REQUESTS.name) == {counted("old"): 3, counted("new"): 0}


@given(VALUES)
def test_a_new_threshold_keeps_every_count_at_the_old_boundaries(values):
    old = Aggregator(extra_bounds={DURATION.name: (250_000_000,)})
    for value in values:
        old.observe(DURATION, MODEL, value)
    new = Aggregator(extra_bounds={DURATION.name: (300_000_000, SECOND // 1000)})
    new.load(old.dump())
    cell = new.histogram(DURATION, MODEL)

    kept = set(old.layout(DURATION).classic) & set(cell.layout.classic)
    cumulative = 0
    for bound, number in zip(cell.layout.classic, cell.classic, strict=False):
        assert number >= 0
        cumulative += number
        if bound in kept:
            assert cumulative == sum(value <= bound for value in values)
    assert sum(cell.classic) == len(values)


@given(VALUES)
def test_values_that_are_binned_elsewhere_make_the_same_histogram(values):
    one, other = Aggregator(), Aggregator()
    for value in values:
        one.observe(DURATION, MODEL, value)
    cell = other.histogram(DURATION, MODEL)
    sketch: dict[int, int] = {}
    classic: dict[int, int] = {}
    for value in values:
        if value:
            sketch[cell.layout.index(value)] = sketch.get(cell.layout.index(value), 0) + 1
        at = cell.layout.classic_index(value)
        classic[at] = classic.get(at, 0) + 1
    cell.observe_binned(sketch=sketch, classic=classic, total=sum(values), zero=values.count(0))

    want = one.histogram(DURATION, MODEL)
    assert (cell.count, cell.total, cell.zero, cell.sketch, cell.classic) == (
        want.count, want.total, want.zero, want.sketch, want.classic,
    )  # fmt: skip


def test_an_exemplar_of_a_series_that_is_not_there_is_nothing():
    aggregator = Aggregator()
    aggregator.exemplar(DURATION, MODEL, Exemplar(trace_id=1, value=1, wall_ns=1))

    assert shown(aggregator, DURATION.name) == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"no json", b'{"format":9}', b'{"format":1}\n{"labels":[]}', b'{"format":1}\n[1,2]\n{"a":1}'],
)
def test_bytes_that_are_no_state_are_refused(data):
    with pytest.raises(StateError, match="series"):
        Aggregator().load(data)


def test_a_family_that_the_catalogue_lost_is_left_out():
    data = b'{"format":1}\n{"family":"gone_total","labels":[]}\n[[],0,5]\n'

    aggregator = Aggregator()
    aggregator.load(data)

    assert aggregator.snapshot().families[0].entry is telemetry.SERIES_LIMITED
