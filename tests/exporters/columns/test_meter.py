"""The sidecar's columns count exactly what `RequestMeter` counts of the same frames."""

from hypothesis import given
from hypothesis import strategies as st

from inferometer.aggregate import Aggregator, RequestMeter
from inferometer.catalog.stages import Stage
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Moment
from inferometer.record.partition import partition
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import CALLS, EXECUTES, GAPS, INTERVALS, REQUESTS, Section
from inferometer.wire.records import LabelSets, records
from inferometer_exporters.columns.meter import ColumnMeter
from inferometer_exporters.columns.partition import partition as partition_columns
from inferometer_exporters.columns.tables import read
from inferometer_exporters.opens import Opens

NAMES = Names(
    {
        1: ("svc", "m", "1", "", "acme", "", "POST", "/a"),
        2: ("svc", "m", "1", "", "stranger", "batch", "POST", "/a"),
        3: ("svc", "", "", "eu", "", "", "GET", "/routed"),
        4: ("other", "m", "", "", "globex", "", "", ""),
    },
    {},
)


def objective(slo, sli, threshold, service="svc", model="m", **more):
    return Objective(
        slo=slo, service=service, model=model, name=slo, sli=sli, threshold_ns=threshold, target="99", window_ns=1,
        **more,
    )  # fmt: skip


THRESHOLDS = Thresholds(
    objectives=(
        objective("available", Sli.AVAILABILITY, None),
        objective("fast", Sli.LATENCY, 900),
        objective("first", Sli.TIME_TO_FIRST_CHUNK, 500),
        objective("routed", Sli.LATENCY, 1_200, model="/routed"),
        objective("token", Sli.TIME_TO_FIRST_TOKEN, 500),
        objective("each", Sli.TIME_PER_OUTPUT_TOKEN, 300),
        objective("queue", Sli.LATENCY, 200, stage=Stage.QUEUE),
        objective("handler", Sli.LATENCY, 400, stage=Stage.HANDLER),
        objective(
            "goodput",
            Sli.GOODPUT,
            None,
            within=((Sli.TIME_TO_FIRST_TOKEN, 600), (Sli.TIME_PER_OUTPUT_TOKEN, 250), (Sli.LATENCY, 2_000)),
        ),
        objective("of acme", Sli.LATENCY, 700, tenant="acme"),
        objective("of others", Sli.AVAILABILITY, None, tenant="other"),
        objective("of version 1", Sli.AVAILABILITY, None, version="1"),
        objective("of version 2", Sli.AVAILABILITY, None, version="2"),
        objective("of batches", Sli.GOODPUT, None, request_class="batch", within=((Sli.LATENCY, 900),)),
    ),
    known_tenants=("acme", "globex"),
)
TIMES = st.one_of(st.just(0), st.integers(1_000, 3_000), st.integers(1_000, 10_000_000_000))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "span_id": st.integers(1, 2**64 - 1),
            **{moment.name.lower(): TIMES for moment in Moment},
            "flags": st.integers(0, 127),
            "outcome": st.integers(0, 9),
            "shape": st.integers(1, 4),
            "proxy_wait": st.integers(0, 3),
            "bytes_in": st.integers(0, 5_000),
            "bytes_out": st.integers(0, 2**40),
            "tokens_in": st.integers(0, 50),
            "tokens_out": st.integers(0, 3),
            "last_token": TIMES,
            "gaps": st.lists(st.tuples(st.integers(0, 900), st.integers(0, 5)), max_size=4),
        }
    ),
    max_size=30,
    unique_by=lambda row: row["span_id"],
)


def shown(aggregator):
    found = {}
    for family in aggregator.snapshot().families:
        for sample in family.samples:
            if family.layout is None:
                found[family.entry.name, sample.labels] = sample.value
            else:
                parts = (sample.count, sample.total, sample.zero, sample.sketch, sample.classic)
                found[family.entry.name, sample.labels] = parts
    return found


@given(rows, st.data())
def test_columns_and_records_make_the_same_series(given_rows, data):
    packed = b"".join(REQUESTS.row.pack(*(row.get(name, 0) for name in REQUESTS.names)) for row in given_rows)
    gaps = b"".join(GAPS.row.pack(row["span_id"], *gap) for row in given_rows for gap in row["gaps"])
    tables = {Section.REQUESTS: packed, Section.GAPS: gaps}
    frame = Frame(worker_id=bytes(16), sequence=1, monotonic_ns=0, wall_ns=0, tables=tables)
    seen_open = data.draw(st.lists(st.sampled_from(given_rows), max_size=5)) if given_rows else []
    labels = LabelSets(NAMES)

    one, many = Aggregator(), Aggregator()
    meter = RequestMeter(one, THRESHOLDS)
    column_meter = RequestMeter(many, THRESHOLDS)
    opens = Opens(column_meter, labels.__getitem__)
    columns = ColumnMeter(many, column_meter, labels.__getitem__)
    for row in seen_open:
        for each in (meter, column_meter):
            counted = each.still_open(labels[row["shape"]], row["span_id"], 0, open_ns=1_000, first_chunk_ns=None)
            if counted and each is column_meter:
                opens._counted.add(row["span_id"])
    for record in records(frame, NAMES):
        meter.finished(record, partition(record))
    requests = read(REQUESTS, [packed])
    requests["labels"] = requests["shape"].astype("i8")
    parts = partition_columns(requests, read(EXECUTES, ()), read(CALLS, ()), read(INTERVALS, ()))
    columns.finished(requests, parts, opens.crossed, read(GAPS, [gaps]))

    assert shown(many) == shown(one)
    assert column_meter.dump() == meter.dump()
