"""The waterfall shows every stage where and as long as it was."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import Stage
from inferometer_compose.screens.waterfall import COLOURS, Hop, Segment, Trace, heading, lines


def segment(stage, start_ms, duration_ms, kind=""):
    return Segment(stage=stage, start_seconds=start_ms / 1e3, duration_seconds=duration_ms / 1e3, kind=kind)


def a_trace():
    embed = Hop(
        title="POST /embed",
        service="embedder",
        model="minilm",
        start_seconds=0.0018,
        duration_seconds=0.1361,
        segments=(
            segment(Stage.DESERIALIZE, 0, 0.1),
            segment(Stage.QUEUE, 0.1, 84.0, "batch"),
            segment(Stage.EXECUTE, 84.1, 51.6),
            segment(Stage.SERIALIZE, 135.7, 0.4),
        ),
        notes=((Stage.QUEUE, "waited for 7 others, closed by timeout"),),
    )
    search = Hop(
        title="POST /search",
        service="gateway",
        model="/search",
        start_seconds=0.0,
        duration_seconds=0.1432,
        segments=(
            segment(Stage.DESERIALIZE, 0, 0.3),
            segment(Stage.NETWORK, 0.3, 1.4, "transit"),
            segment(Stage.REMOTE, 1.7, 136.2),
            segment(Stage.NETWORK, 137.9, 1.4, "transit"),
            segment(Stage.POSTPROCESS, 139.3, 3.9),
        ),
        children=(embed,),
    )
    return Trace(trace_id="4bf92f35" * 4, root=search, tenant="globex", outcome="ok", cost="$0.0000061")


def text(width=100):
    return [line.plain for line in lines(a_trace(), width=width)]


def test_rows_follow_the_request_and_a_callee_stands_under_the_wait_for_it():
    names = [line[:26].rstrip() for line in text()]

    assert names == [
        "gateway POST /search",
        "  network",
        "  remote",
        "    embedder POST /embed",
        "      queue (batch)",
        "      execute",
        "      2 short stages",
        "  postprocess",
        "  1 short stage",
    ]


def test_times_are_milliseconds_and_the_note_stands_behind_them():
    queue = next(line for line in text(width=120) if "queue" in line)

    assert queue.endswith("84.0  waited for 7 others, closed by timeout")


def test_a_time_of_many_digits_does_not_touch_its_bar():
    trace = a_trace()
    (embed,) = trace.root.children
    slow = replace(trace, root=replace(trace.root, children=(replace(embed, duration_seconds=118.3839),)))
    for width in (80, 100):
        rows = [line.plain for line in lines(slow, width=width)]

        assert any(row.endswith(" 118,383.9") for row in rows)
        assert max(map(len, rows)) <= width


def test_a_later_stage_starts_where_the_one_before_ended():
    queue, execute = (next(line for line in text() if name in line) for name in ("queue", "execute"))

    assert queue.rindex("█") <= execute.index("█")


def test_no_line_is_wider_than_the_terminal():
    for width in (60, 80, 100, 200):
        assert max(map(len, text(width))) <= width


def test_a_long_name_has_a_third_of_the_screen_and_the_model_behind_it_stands_in_full():
    hop = replace(a_trace().root, service="chat", title="POST /v1/chat/completions", remark="chatty v2", children=())
    first = lines(replace(a_trace(), root=hop), width=120)[0].plain

    assert first.startswith("chat POST /v1/chat/completions ")
    assert first.endswith("ms  chatty v2")


def test_the_heading_names_trace_tenant_and_cost():
    assert heading(a_trace(), "The slowest request").plain == (
        f"The slowest request   trace {'4bf92f35' * 4}   tenant globex   ok   $0.0000061"
    )


def test_every_stage_has_a_colour():
    assert set(COLOURS) == set(Stage)


@given(st.lists(st.tuples(st.sampled_from(Stage), st.floats(0, 1e3)), max_size=20), st.integers(40, 200))
def test_any_segments_can_be_drawn(parts, width):
    at, segments = 0.0, []
    for stage, length in parts:
        segments.append(segment(stage, at, length))
        at += length
    hop = Hop(
        title="GET /", service="s", model="m", start_seconds=0, duration_seconds=at / 1e3, segments=tuple(segments)
    )

    drawn = lines(Trace(trace_id="0" * 32, root=hop), width=width)

    assert len(drawn) >= 1


def test_what_is_known_of_tokens_stands_below_the_hop():
    trace = a_trace()
    detail = "9 tokens in, 5 tokens out, first token after 52 ms, then 10 ms each"
    shown = [line.plain for line in lines(replace(trace, root=replace(trace.root, details=(detail,))), width=100)]

    assert shown[1] == f"  {detail}"
    assert shown[2:] == text()[1:]
    assert all(
        len(line.plain) <= 40 for line in lines(replace(trace, root=replace(trace.root, details=(detail,))), width=40)
    )
