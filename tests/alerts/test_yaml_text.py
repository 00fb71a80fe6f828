"""The YAML writer: whatever it writes, a YAML reader reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inferometer_alerts.yaml_text import dump

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text.filter(bool), inner, max_size=4),
    max_leaves=20,
)


def load(content: bytes):
    return YAML(typ="safe", pure=True).load(content.decode())


@given(st.dictionaries(text.filter(bool), data, min_size=1, max_size=4))
def test_a_reader_gets_back_what_was_written(document):
    assert load(dump(document)) == document


@pytest.mark.parametrize(
    "word", ["yes", "No", "on", "null", "NaN", "~", "1", "1e3", "0x10", "2026-10-01", "- a", "a: b", "#x", ""]
)
def test_a_string_that_looks_like_something_else_stays_a_string(word):
    assert load(dump({"key": word})) == {"key": word}


def test_a_query_of_several_lines_stays_readable():
    assert dump({"expr": "a\nand\nb"}) == b"expr: |-\n  a\n  and\n  b\n"


def test_a_comment_stands_above():
    assert dump({"a": 1}, comment="Generated.\nDo not edit.") == b"# Generated.\n# Do not edit.\na: 1\n"
