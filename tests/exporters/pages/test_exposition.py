"""Reading pages in Prometheus' text format."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import SourceError
from inferometer_exporters.pages.exposition import Point, points


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
