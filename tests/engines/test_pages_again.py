"""A page read a second time is read as if for the first time, whatever changed on it."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import SourceError
from inferometer_exporters.engines.raw import Named, RawPage
from inferometer_exporters.pages.exposition import Family

CAPTURED = Path(__file__).parents[1] / "data/engines"
PAIRS = sorted(path for path in CAPTURED.glob("*/*.prom") if path.with_name(f"{path.stem}-scrape2.prom").exists())


def everything(family: Family) -> bool:
    return bool(family.name)


def page() -> RawPage:
    return RawPage(lambda name: Named(name, 0), everything)


def read(reader: RawPage, text: str) -> dict[tuple, float]:
    values = reader.update(text)
    return {
        (raw.name, tuple(sorted(raw.labels.items()))): repr(value)
        for raw, value in zip(reader.series, values, strict=True)
        if value is not None
    }


def types(reader: RawPage) -> dict[str, str]:
    return {raw.text: raw.family.type for raw in reader.series if raw.family.type != "untyped"}


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_the_second_scrape_is_read_as_a_first_one(path):
    second = path.with_name(f"{path.stem}-scrape2.prom").read_text()
    reader = page()
    read(reader, path.read_text())

    assert read(reader, second) == read(page(), second)


LINES = st.sampled_from(
    [
        "# TYPE x counter", "# TYPE x gauge", "# TYPE y histogram", "# HELP x Text.", "", "x 1", "x 2", 'x{a="1"} 3',
        'x{a="4",} 4', ' x{a="2"} 5', "w 6 1700000000000", 'y_bucket{le="+Inf"} 7', "y_count 7", "y_sum 0.5",
        'y_bucket{le="1"} 7 # {t="1"} 0.5', "z_count 8", "# TYPE z_count gauge", "# EOF",
    ]
)  # fmt: skip


@given(st.lists(st.lists(LINES, max_size=8), min_size=1, max_size=5))
def test_any_page_after_any_others_is_read_as_a_first_one(pages):
    reader = page()
    for lines in pages:
        text = "\n".join(lines) + "\n"
        first = page()

        assert read(reader, text) == read(first, text)
        assert types(reader) | types(first) == types(reader), "what was declared once may be declared no longer"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=4))
def test_whatever_comes_is_a_page_or_a_source_error_and_harms_no_later_page(texts):
    reader = page()
    good = '# TYPE x counter\nx{a="1"} 3\n'
    for text in texts:
        with suppress(SourceError):
            reader.update(text + "\n")
        assert read(reader, good) == read(page(), good)


@pytest.mark.parametrize("broken", ["x one\n", "x\n", '# TYPE x counter\nx{a="1"} 1_0\n'])
def test_a_number_that_breaks_later_is_found_out_later(broken):
    reader = page()
    reader.update('# TYPE x counter\nx{a="1"} 3\nx 2\n')

    with pytest.raises(SourceError, match="not in Prometheus' text format"):
        reader.update(broken)
    assert read(reader, "x 2\n") == read(page(), "x 2\n")


def test_series_that_come_and_go_do_not_stay_in_memory_for_good():
    reader = page()
    for number in range(40):
        reader.update("".join(f'x{{a="{number}-{n}"}} 1\n' for n in range(200)))

    assert len(reader.series) < 40 * 200 / 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('a{l="x"} 2', "2.0"),
        ('a{l="x"} 2 1700000000000', "2.0"),
        ('a{l="x"} 2 # {l="x"} 9', "2.0"),
        ('a{l="x"}\t2', "2.0"),
        ('a {l="x"} 2', "2.0"),
        ('a{l="x"} 2\r', "2.0"),
        ('a{l="x"} NaN', "nan"),
        ('a{l="x"} 2_0', "no number"),
        ('a{l="x"} 2 two', "no sample"),
        ('a{l="x"}} 2', "no number"),
        ('b{l="x"} 2', "None"),
    ],
)
def test_a_line_whose_name_and_labels_stood_before_is_read_as_if_they_had_not(line, expected):
    # What stands before makes the name known, and the labels, each with others.
    before, after = 'a{l="y"} 1\nc{l="x"} 1\n', f"{line}\n"

    def read_of(text):
        reader = RawPage(lambda name: Named(name, 0), lambda family: family.name == "a")
        try:
            found = read(reader, text)
        except SourceError as error:
            return str(error).partition(": line ")[2].partition(": ")[2]
        return found.get(("a", (("l", "x"),)))

    assert read_of(before + after) == read_of(after)
    assert str(read_of(after)).startswith(expected)
