"""Tables and sums of money as a terminal shows them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.money import amount, parts, places
from inferometer_compose.screens.units import UNKNOWN
from inferometer_compose.screens.wrapped import wrapped


def columns(name="a name"):
    return [
        Column("model", [name, "total"], figure=False),
        Column("cost", ["$0.10", "$1.00"]),
        Column("idle", ["20 %", "30 %"], rank=2),
        Column("joules", ["1", "2"], rank=3),
    ]


def test_all_columns_stand_where_there_is_room():
    lines, left_out = table(columns(), 80)

    assert [line.plain for line in lines] == [
        "  model    cost  idle  joules",
        "  a name  $0.10  20 %       1",
        "  total   $1.00  30 %       2",
    ]
    assert left_out == []


def test_what_matters_least_goes_first_and_a_name_is_cut_last():
    assert table(columns(), 24)[1] == ["joules"]
    lines, left_out = table(columns("a name of thirty characters or so"), 30)

    assert left_out == ["joules", "idle"]
    assert all(len(line.plain) <= 30 for line in lines)
    assert "…" in lines[1].plain


def test_wide_letters_take_two_cells():
    lines, _ = table(columns("模型"), 80)

    assert lines[1].plain == "  模型   $0.10  20 %       1"
    assert lines[1].cell_len == lines[2].cell_len


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\u202eevil", "\x07"])
def test_a_name_commands_no_terminal(text):
    assert plain(text).isprintable()


@pytest.mark.parametrize(
    ("wholes", "decimals"), [((0.003412,), 6), ((1234.5,), 2), ((0.0,), 2), ((None, 100.0, 0.01), 5), ((1e-13,), 12)]
)
def test_a_sum_has_four_digits_that_matter_and_never_less_than_its_cents(wholes, decimals):
    assert places(*wholes) == decimals


def test_amounts():
    shown = [amount(usd, 2) for usd in (1234.5, -0.1, None, 0.0)]
    assert shown == ["$1,234.50", "-$0.10", UNKNOWN, "$0.00"]


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=30), st.integers(0, 10))
def test_what_is_shown_of_parts_sums_to_what_is_shown_of_the_whole(picodollars, decimals):
    usd = [part / 1e12 for part in picodollars]
    whole = float(sum(Decimal(repr(part)) for part in usd))
    shown = [Decimal(text.replace("$", "").replace(",", "")) for text in parts(usd, whole, decimals)]

    assert abs(sum(shown) - Decimal(amount(whole, decimals).replace("$", "").replace(",", ""))) <= (
        0 if whole < 1 else Decimal(1).scaleb(-decimals)
    )
    assert all(
        abs(text - Decimal(repr(part))) < Decimal(1).scaleb(-decimals) for text, part in zip(shown, usd, strict=True)
    )


def test_unknown_parts_stay_unknown_and_negative_ones_are_taken_off():
    assert parts([0.005, None, 0.005], 0.01, 2) == ["$0.01", UNKNOWN, "$0.00"]
    assert parts([0.30, -0.10], 0.20, 2) == ["$0.30", "-$0.10"]


def test_long_lines_are_broken_between_words():
    lines = [line.plain for line in wrapped(Text("  one two three four five"), 14)]

    assert lines == ["  one two", "      three", "      four", "      five"]
    assert [line.plain for line in wrapped(Text("short"), 80)] == ["short"]
