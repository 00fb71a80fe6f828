"""The report answers four questions in their order, on one screen."""

from dataclasses import replace

import pytest

from inferometer.catalog.stages import Stage
from inferometer_compose.commands.demo import busy, said
from inferometer_compose.screens.figures import (
    AlertStory,
    Device,
    Figures,
    HeldBack,
    ModelCost,
    ModelTimes,
    Objective,
    TailShare,
    TenantCost,
)
from inferometer_compose.screens.progress import Progress, progress_line
from inferometer_compose.screens.report import report
from inferometer_compose.screens.waterfall import Hop, Segment, Trace


def objective(*, slo="gateway-search-available", good=9780, bad=220, target=0.999, threshold=None, name="available"):
    return Objective(
        slo=slo,
        service="gateway",
        model="/search",
        name=name,
        threshold_seconds=threshold,
        target_ratio=target,
        good=good,
        bad=bad,
    )


def figures(**changes):
    base = Figures(
        requests=24_711,
        times=(
            ModelTimes(
                service="gateway",
                model="/search",
                requests=10_000,
                p50_seconds=0.021,
                p95_seconds=0.048,
                p99_seconds=0.097,
                p999_seconds=0.14,
                tail=(TailShare(stage="remote", kind="inference", share=0.71),),
                callee="embedder",
            ),
            ModelTimes(
                service="embedder",
                model="minilm",
                version="v1",
                requests=6000,
                p50_seconds=0.014,
                p95_seconds=0.031,
                p99_seconds=0.080,
                p999_seconds=None,
                tail=(
                    TailShare(stage="queue", kind="batch", share=0.64),
                    TailShare(stage="execute", kind="", share=0.29),
                    TailShare(stage="serialize", kind="", share=0.02),
                ),
            ),
        ),
        objectives=(objective(), objective(slo="quiet", good=500, bad=0)),
        costs=(
            ModelCost(
                service="embedder",
                model="minilm",
                tenants={"acme": TenantCost(requests=1000, usd=0.0021), "other": TenantCost(requests=500, usd=0.0005)},
            ),
        ),
        devices=(
            Device(
                device="host",
                usd_per_hour=0.2,
                price_kind="on_demand",
                price_source="list",
                price_as_of="2026-10-01",
                bill_usd=0.0034,
                idle_usd=0.0021,
                ledger_seconds={},
                residual_ratio=0.0,
            ),
        ),
        alerts=(
            AlertStory(
                name="Burn",
                severity="page",
                tier="fast",
                slo="gateway-search-available",
                fired_at=27,
                received_at=28,
                resolved_at=52,
            ),
        ),
        alerts_missing="",
        slowest=None,
        recorded_requests=24_711,
        kept_traces=1204,
        exported_to="Jaeger",
    )
    return replace(base, **changes)


def text(*, width=160, **changes):
    return "\n".join(line.plain for line in report(figures(**changes), width=width))


def test_the_four_questions_come_in_their_order():
    screen = text()
    places = [
        screen.index(question)
        for question in ("Where the time goes", "Inside the objective?", "What it costs", "The slowest request")
    ]

    assert places == sorted(places)


def test_a_model_shows_its_percentiles_and_where_its_tail_is_spent():
    gateway, embedder = (line for line in text().splitlines() if "ms" in line and "available" not in line)

    assert gateway.split() == [
        "gateway", "/search", "21", "ms", "48", "ms", "97", "ms", "140", "ms", "remote", "71", "%", "(embedder)",
    ]  # fmt: skip
    assert embedder.endswith("80 ms        \N{EN DASH}   queue/batch 64 %   execute 29 %")


def test_an_objective_shows_its_alert_from_firing_to_its_end():
    (line,) = (line for line in text().splitlines() if "available" in line)

    assert line.split(maxsplit=8)[:8] == ["gateway", "/search", "available", "99.9", "%", "97.80", "%", "0"]
    assert line.endswith("page at 0:27, received 0:28, resolved 0:52")


def test_columns_of_objectives_stand_under_each_other_however_long_a_name_is():
    long = replace(objective(slo="long"), name="interactive-of-a-long-name", threshold_seconds=0.25)
    header, *rows = (line for line in text(objectives=(objective(), long)).splitlines() if "99.9 %" in line or
                     "Inside" in line)  # fmt: skip

    ends = {row.index("99.9 %") + len("99.9 %") for row in rows}
    assert len(rows) == 2
    assert ends == {header.index("target") + len("target")}


def test_no_line_ends_with_a_blank_where_it_was_broken():
    assert not [line for line in text(width=80).splitlines() if line != line.rstrip()]


def a_story(tier, *, fired=27.0, received=28.0, resolved=None, severity="page"):
    return AlertStory(
        name="Burn",
        severity=severity,
        tier=tier,
        slo="gateway-search-available",
        fired_at=fired,
        received_at=received,
        resolved_at=resolved,
    )


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ((a_story("fast"),), "page at 0:27, received 0:28, still firing"),
        (
            (a_story("fast", resolved=40.0), a_story("medium", fired=29.0, received=41.0, resolved=62.0)),
            "page at 0:27, received 0:28, resolved 1:02",
        ),
        (
            (a_story("fast", resolved=40.0), a_story("medium", fired=29.0, received=41.0)),
            "page at 0:27, received 0:28, medium leg still firing",
        ),
        (
            (a_story("fast", resolved=40.0), a_story("slow", fired=30.0, received=42.0, severity="ticket")),
            "page at 0:27, received 0:28, resolved 0:40; ticket at 0:30, received 0:42, still firing",
        ),
    ],
    ids=["fires", "two windows resolved", "one of two resolved", "two severities"],
)
def test_alerts_of_one_objective_are_one_story_per_severity(alerts, says):
    (line,) = (line for line in text(alerts=alerts, width=200).splitlines() if "available" in line)

    assert line.endswith(says)


def test_an_alert_that_belongs_to_no_objective_has_a_line_of_its_own():
    stray = replace(a_story(""), name="InferometerDown", slo="")

    assert "  InferometerDown, page at 0:27, received 0:28, still firing" in text(alerts=(stray,))


def test_what_fired_again_for_the_same_thing_is_one_line_that_says_for_what():
    once = replace(a_story("cause", resolved=31.0, severity="ticket"), name="Queue", slo="", about="embedder minilm")
    again = replace(once, fired_at=35.0, received_at=36.0, resolved_at=44.0)
    other = replace(once, about="gateway /search", fired_at=20.0)
    lines = [line for line in text(alerts=(once, again, other)).splitlines() if "Queue" in line]

    assert lines == [
        "  gateway /search: Queue, ticket at 0:20, received 0:28, resolved 0:31",
        "  embedder minilm: Queue, ticket at 0:27, received 0:28, resolved 0:44",
    ]


def test_what_nobody_was_told_of_is_said_with_what_held_it_back():
    slow = HeldBack(name="BurnTicket", tier="slow", about="gateway /search", fired_at=30.0, cause="BurnPage")
    held = (
        slow,
        replace(slow, tier="long", about="embedder minilm"),
        replace(slow, name="BurnPage", tier="medium"),
        HeldBack(name="Latency", tier="cause", about="chat llama", fired_at=31.0, cause=""),
    )
    lines = [line for line in text(held_back=held).splitlines() if "held back" in line]

    assert lines == [
        (
            "  held back: BurnTicket (slow, long) of 2 models, BurnPage (medium) of gateway /search, "
            "while BurnPage said so already"
        ),
        "  held back: Latency of chat llama, while another one said so already",
    ]


def test_objectives_without_a_bad_request_are_one_line():
    assert "  1 other objective: no bad request" in text()


def test_without_prometheus_alerts_are_said_to_be_not_evaluated():
    assert "alerts not evaluated: no Prometheus" in text(alerts_missing="not evaluated: no Prometheus", alerts=())


def test_costs_are_per_thousand_by_model_and_tenant_with_the_idle_part():
    screen = text()

    (line,) = (line for line in screen.splitlines() if line.startswith("  embedder  minilm ") and "$" in line)
    assert line.split() == ["embedder", "minilm", "$0.0017", "100", "%", "$0.0021", "$0.0010"]
    assert "idle 62 % of the bill of host ($0.20/h, on demand, list 2026-10-01): $0.0021 of $0.0034" in screen


def test_a_device_without_a_price_is_said_to_be_unpriced():
    (device,) = figures().devices
    screen = text(devices=(replace(device, usd_per_hour=None, bill_usd=None, idle_usd=None),))

    assert "host has no price in fleet.yaml" in screen


ALERTS = (a_story("fast", resolved=40.0), a_story("slow", fired=30.0, received=42.0, severity="ticket"))


@pytest.mark.parametrize("width", [110, 140])
def test_no_word_is_lost_where_a_line_is_broken(width):
    wide = [line.plain for line in report(figures(alerts=ALERTS), width=400)]
    fitted = [line.plain for line in report(figures(alerts=ALERTS), width=width)]

    assert " ".join(" ".join(fitted).split()) == " ".join(" ".join(wide).split())


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_too_long_for_the_terminal(width):
    hop = Hop(
        title="POST /search",
        service="gateway",
        model="/search",
        start_seconds=0.0,
        duration_seconds=0.2,
        segments=(Segment(stage=Stage.REMOTE, start_seconds=0.0, duration_seconds=0.2),),
    )
    slowest = Trace(trace_id="4bf92f35" * 4, root=hop, tenant="globex", outcome="ok", cost="$0.0000061")

    assert max(len(line.plain) for line in report(figures(alerts=ALERTS, slowest=slowest), width=width)) <= width


@pytest.mark.parametrize(
    ("width", "titles", "left_out"),
    [
        (120, "p50 p95 p99 p99.9 tail is spent in", None),
        (100, "p50 p95 p99 p99.9 tail is spent in", None),
        (80, "p50 p95 p99 tail is spent in", "p99.9"),
        (60, "p50 p95 p99", "p99.9, tail is spent in"),
    ],
)
def test_each_model_has_one_line_of_times_and_what_has_no_room_is_said(width, titles, left_out):
    lines = text(width=width).split("\n\n")[0].splitlines()
    header, gateway, embedder, *rest = lines

    assert " ".join(header.split()) == f"Where the time goes {titles}"
    assert gateway.startswith("  gateway  /search ")
    assert embedder.startswith("  embedder  minilm  v1 ")
    assert rest == ([f"  {width} columns have no room for {left_out}"] if left_out else [])


@pytest.mark.parametrize(("width", "tenants", "left_out"), [(80, ["acme", "other"], []), (60, ["acme"], ["other"])])
def test_each_model_has_one_line_of_cost_with_the_tenants_that_have_room(width, tenants, left_out):
    header, model, *rest = text(width=width).split("\n\n")[2].splitlines()

    assert header.split("share")[1].split() == ["tenant", *tenants]
    assert model.split() == ["embedder", "minilm", "$0.0017", "100", "%", "$0.0021", "$0.0010"][: 5 + len(tenants)]
    assert [line for line in rest if "no room" in line] == [
        f"  {width} columns have no room for {name}" for name in left_out
    ]


UP = "live http://127.0.0.1:9465   jaeger http://127.0.0.1:16686   prometheus http://127.0.0.1:9090"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (UP, ["live http://127.0.0.1:9465   jaeger http://127.0.0.1:16686", "prometheus http://127.0.0.1:9090"]),
        ("port 8100 is busy: [gateway] is on 38281; port 8101 is busy: embedder is on 35417",
         ["port 8100 is busy: [gateway] is on 38281; port 8101 is busy: embedder is", "on 35417"]),
        ("going on without jaeger\n  jaeger.log:", ["going on without jaeger", "  jaeger.log:"]),
    ],
    ids=["columns", "a sentence", "lines of a log"],
)  # fmt: skip
def test_what_is_said_before_the_run_is_broken_between_columns_or_words(text, lines):
    assert list(said(text, 72)) == lines


def test_a_machine_that_was_busy_before_is_said_to_be_why_times_are_long():
    assert busy(1.9, 2) == ""
    assert busy(6.37, 2).startswith("this machine was busy before (load 6.4 on 2 cores)")


def test_what_is_kept_is_counted():
    assert text().endswith("Kept: recorder 24,711 requests of all services   ·   Jaeger 1,204 traces")


def a_state(**changes):
    state = Progress(
        seconds=38,
        total_seconds=60,
        per_second=412,
        error_ratio=0.041,
        fault="errors",
        budget_left=0.61,
        firing=(("page", 7.0),),
    )
    return replace(state, **changes)


def test_progress_says_where_the_run_stands():
    line = progress_line(a_state(), width=160).plain

    assert line.startswith("  0:38  ━")
    assert line.endswith("   412 req/s   errors 4.1 % (fault: errors)   budget 61 % left   ● firing: page 7 s")
    assert "38 s of 60" in line


@pytest.mark.parametrize("width", [60, 70, 80, 100, 120, 160])
def test_progress_fits_a_terminal_with_its_budget_and_what_fires_as_they_are(width):
    line = progress_line(a_state(budget_left=0.0, firing=(("page", 25.0), ("ticket", 19.0))), width=width).plain

    assert len(line) <= width
    assert "errors 4.1 %" in line
    assert "budget 0 %" in line
    assert line.endswith("page 25 s, ticket 19 s")


def test_the_bar_keeps_its_length_whatever_stands_behind_it():
    lines = [progress_line(a_state(firing=firing), width=80).plain for firing in ((), (("page", 7.0), ("ticket", 3.0)))]

    assert [line.count("━") + line.count("╺") for line in lines] == [10, 10]


def test_the_clock_and_the_seconds_of_a_run_are_the_same():
    assert progress_line(a_state(seconds=20.9), width=160).plain.startswith("  0:20  ")
    assert "   20 s of 60   " in progress_line(a_state(seconds=20.9), width=160).plain


@pytest.mark.parametrize(
    ("width", "says"), [(100, "the load has ended; waiting for the last records"), (50, "waiting for the last records")]
)
def test_when_the_load_has_ended_the_line_says_what_is_waited_for(width, says):
    line = progress_line(a_state(seconds=60, waits_for="the last records"), width=width).plain

    assert line.endswith(f"   {says}") or line == f"  1:00  {says}"
    assert "firing" not in line


def test_progress_without_errors_is_calm():
    line = progress_line(a_state(error_ratio=None, fault="", budget_left=None, firing=()), width=120)

    assert line.plain.endswith("412 req/s   errors \N{EN DASH}")
    assert not any("red" in str(span.style) for span in line.spans)


def test_times_of_a_server_of_others_are_bounds_and_said_to_be_by_its_own_page():
    flowers = ModelTimes(
        service="flowers", model="iris", requests=9, by_buckets=True, p50_seconds=0.02, p95_seconds=0.2, p99_seconds=0.2
    )
    lines = [line.plain for line in report(figures(times=(flowers,)), width=120)]

    (row,) = [line for line in lines if "flowers" in line]
    assert row.split("  iris")[1].split("  ")[-1].strip() == "by its own page"
    assert row.count("≤ 200 ms") == 2
    assert row.count("≤") == 3
