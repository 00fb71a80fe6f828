"""Reading pages in Prometheus' text format."""

import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from inferometer.errors import SourceError
from inferometer_exporters.pages.exposition import Family, Point, family, points, types


def test_lines_come_with_their_labels_and_the_help_of_their_family():
    page = b'# HELP up Whether it is.\n# TYPE up gauge\nup{a="x",b=""} 1\nother 2.5e3\n'

    assert points(page) == [Point("up", {"a": "x", "b": ""}, 1.0, "Whether it is."), Point("other", {}, 2500.0, "")]


@pytest.mark.parametrize(
    "page",
    [b"up 1", b'up{a="x} 1\n', b'up{a="x"\n', b"up\n", b"up one\n", b"\xff\xfe 1\n", b"<html></html>\n"],
    ids=str,
)
def test_a_page_that_is_broken_anywhere_is_none(page):
    with pytest.raises(SourceError):
        points(b"# TYPE good gauge\ngood 1\n" + page)


@given(st.text(max_size=300))
def test_whatever_the_text_it_is_a_page_or_a_source_error(text):
    with suppress(SourceError):
        assert all(point.name for point in points(text.encode() + b"\n"))


FIELD = {
    "a comma behind the last label": ('x{a="1",} 2\n', Point("x", {"a": "1"}, 2.0, "")),
    "no labels in braces": ("x{} 2\n", Point("x", {}, 2.0, "")),
    "blanks everywhere": (' x { a = "1" , b="2" } 2 \n', Point("x", {"a": "1", "b": "2"}, 2.0, "")),
    "no blank behind the braces": ('x{a="1"}2\n', Point("x", {"a": "1"}, 2.0, "")),
    "a tab": ("x\t2\n", Point("x", {}, 2.0, "")),
    "the end of a line of Windows": ('x{a="1"} 2\r\n', Point("x", {"a": "1"}, 2.0, "")),
    "a timestamp": ("x 2 1700000000000\n", Point("x", {}, 2.0, "")),
    "an exemplar": ('x_bucket{le="1"} 2 # {trace_id="a b"} 0.5 1.7e9\n', Point("x_bucket", {"le": "1"}, 2.0, "")),
    "brackets and marks in a value": ('x{a="}# {\\"\\\\"} 2\n', Point("x", {"a": '}# {"\\'}, 2.0, "")),
    "a line's end in a value": ('x{a="b\\nc"} 2\n', Point("x", {"a": "b\nc"}, 2.0, "")),
    "an escape that nobody knows": ('x{a="\\d"} 2\n', Point("x", {"a": "\\d"}, 2.0, "")),
    "a colon first": (":tf:x 2\n", Point(":tf:x", {}, 2.0, "")),
    "a number as a boundary": (
        'x{le="0.00015000000000000001"} 2\n',
        Point("x", {"le": "0.00015000000000000001"}, 2.0, ""),
    ),
    "the end of OpenMetrics": ("x 2\n# EOF\n", Point("x", {}, 2.0, "")),
    "empty lines": ("\n\nx 2\n\n", Point("x", {}, 2.0, "")),
    "a mark of the byte order": ("\ufeffx 2\n", Point("x", {}, 2.0, "")),
}


@pytest.mark.parametrize(("page", "point"), FIELD.values(), ids=FIELD.keys())
def test_what_servers_in_the_field_write_is_read(page, point):
    assert points(page.encode()) == [point]


@pytest.mark.parametrize("text", ["NaN", "Nan", "nan", "+Inf", "-Inf", "inf"])
def test_numbers_that_are_none_are_read_as_such(text):
    (point,) = points(f"x {text}\n".encode())

    assert math.isnan(point.value) or math.isinf(point.value)


@pytest.mark.parametrize(
    "line",
    [
        "x 1_0",
        "x 0x10",
        'x{a="1" b="2"} 1',
        'x{a="1",,b="2"} 1',
        'x{a="1",a="2"} 1',
        "x{a=1} 1",
        "1x 1",
        'x{"a"} 1',
        "x 1 2 3",
    ],
)
def test_a_wrong_line_is_named_with_its_number(line):
    with pytest.raises(SourceError, match="line 2: "):
        points(f"good 1\n{line}\n".encode())


TYPED = """\
# TYPE age_count gauge
age_count{gt="1",le="2"} 3
# TYPE iteration_tokens_total histogram
iteration_tokens_total_bucket{le="+Inf"} 5
iteration_tokens_total_sum 9
# TYPE success counter
success_total 7
# TYPE plain_total counter
plain_total 8
# TYPE skipped summary
skipped{quantile="0"} 0
skipped_count 2
loose_bucket{le="1"} 4
# TYPE info info
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("age_count", Family("age_count", "gauge")),
        ("iteration_tokens_total_bucket", Family("iteration_tokens_total", "histogram", "bucket")),
        ("iteration_tokens_total_sum", Family("iteration_tokens_total", "histogram", "sum")),
        ("success_total", Family("success_total", "counter")),
        ("plain_total", Family("plain_total", "counter")),
        ("skipped", Family("skipped", "summary")),
        ("skipped_count", Family("skipped", "summary", "count")),
        ("loose_bucket", Family("loose_bucket", "untyped")),
        ("info", Family("info", "gauge")),
    ],
)
def test_a_family_is_what_the_page_declares_and_not_what_a_name_looks_like(name, expected):
    assert family(name, types(TYPED)) == expected


def test_of_two_declarations_of_a_family_the_first_counts_wherever_it_stands():
    assert types("x 1\n# TYPE x gauge\n# TYPE x counter\n") == {"x": "gauge"}


NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,5}", fullmatch=True).filter(lambda name: name != "__name__")
VALUES = st.one_of(st.floats(), st.integers(-(2**60), 2**60).map(float))


def written(name: str, labels: dict[str, str], value: float) -> str:
    escaped = {
        label: text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for label, text in labels.items()
    }
    pairs = ",".join(f'{label}="{text}"' for label, text in escaped.items())
    return f"{name}{{{pairs}}} {value!r}\n" if pairs else f"{name} {value!r}\n"


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.dictionaries(
                LABEL_NAMES, st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8), max_size=3
            ),
            VALUES,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_what_the_reference_parser_reads_is_read_the_same(samples):
    page = "".join(written(*sample) for sample in samples)
    try:
        theirs = [s for of in text_string_to_metric_families(page) for s in of.samples]
    except ValueError:
        reject()

    ours = points(page.encode())

    assert sorted((p.name, sorted(p.labels.items()), repr(p.value)) for p in ours) == sorted(
        (s.name, sorted(s.labels.items()), repr(float(s.value))) for s in theirs
    )


CAPTURED = sorted(
    path for path in (Path(__file__).parents[2] / "data/engines").glob("*/*.prom") if "-scrape2" not in path.name
)


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_captured_pages_are_read_as_the_reference_parser_reads_them(path):
    text = path.read_text().rstrip("\n") + "\n"
    theirs = [s for of in text_string_to_metric_families(text) for s in of.samples]

    ours = points(text.encode())

    # The reference parser gives counters a suffix that Prometheus itself does not.
    assert sorted((p.name.removesuffix("_total"), sorted(p.labels.items()), repr(p.value)) for p in ours) == sorted(
        (s.name.removesuffix("_total"), sorted(s.labels.items()), repr(float(s.value))) for s in theirs
    )
