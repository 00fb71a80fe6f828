"""Objectives in fleet.yaml: what they stand for where they are said, and the exact words where they cannot be."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import FleetError
from inferometer.fleet import summary, thresholds_file
from inferometer.fleet.loader import load, loads
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import Source, slo_name, slos

MS = 1_000_000
ROOT = Path(__file__).parents[2]
TEXT = """\
version: 1
fleet: f
defaults: {objectives: [up], window: 28d}
classes: [interactive, batch]
tenants: {header: x-tenant, known: [acme, globex]}
services:
  chat:
    engine: fastapi
    timeout: 10s
    objectives: [up, fast]
    overrides: {fast: {threshold: 400ms}}
    models:
      small: {}
      large:
        objectives: [up, fast, good]
        overrides: {fast: {target: 95}}
  other:
    engine: vllm
    models:
      llama: {objectives: [first]}
  plain:
    engine: fastapi
    models: {it: {}, queued: {objectives: [queue, mine, each, stale, dear]}}
objectives:
  up: {sli: availability, target: 99.9}
  fast: {sli: latency, threshold: 250ms, target: 99, window: 30d}
  first: {sli: time_to_first_token, threshold: 500ms, target: 95}
  good: {sli: goodput, within: {time_to_first_token: 500ms, time_per_output_token: 50ms}, target: 95}
  queue: {sli: latency, stage: queue, threshold: 30ms, target: 99}
  mine: {sli: latency, threshold: 150ms, target: 99.9, for: {tenant: acme, version: v2}}
  each: {sli: availability, target: 99, per: tenant}
  stale: {sli: freshness, threshold: 1h, target: 99, for: {class: batch}}
  dear: {sli: cost_per_1k, usd_per_1k: 0.50, target: 90}
  gpus: {sli: gpu_availability, target: 99.5}
devices:
  - match: {kind: gpu, model: "NVIDIA H100*"}
    price: {usd_per_hour: 2.99, kind: reserved, source: contract, as_of: 2026-10-01}
    objectives: [gpus]
  - match: {kind: cpu}
    price: {usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}
receivers: {a: {webhook: {url_file: /run/secrets/hook}}}
routes: {page: a, ticket: a}
"""


def named(text: str = TEXT):
    return {slo.name: slo for slo in slos(loads(text))}


def test_a_model_promises_its_own_objectives_else_its_services_else_the_defaults():
    assert [name for name in named() if name.startswith(("chat", "plain-it"))] == [
        "chat-small-up", "chat-small-fast", "chat-large-up", "chat-large-fast", "chat-large-good", "plain-it-up",
    ]  # fmt: skip


def test_an_override_makes_an_objective_that_says_in_what_it_differs():
    small, large = (named()[name].objective for name in ("chat-small-fast", "chat-large-fast"))

    assert (small.name, small.threshold_ns, small.target) == ("fast-400ms", 400 * MS, Decimal(99))
    assert (large.name, large.threshold_ns, large.target) == ("fast-400ms-95", 400 * MS, Decimal(95))


def test_a_window_is_the_objectives_own_else_that_of_the_defaults_else_thirty_days():
    days = {name: slo.objective.window_ns // (86_400 * 10**9) for name, slo in named().items()}
    without = named(TEXT.replace(", window: 28d}", "}"))["chat-small-up"].objective

    assert (days["chat-small-up"], days["chat-small-fast"]) == (28, 30)
    assert without.window_ns == 30 * 86_400 * 10**9


def test_an_objective_per_tenant_is_an_slo_for_each_of_them():
    each = {name: slo.tenant for name, slo in named().items() if "each" in name}

    assert each == {
        "plain-queued-each-acme": "acme", "plain-queued-each-globex": "globex", "plain-queued-each-other": "other",
    }  # fmt: skip


def test_events_come_from_requests_from_an_engines_buckets_or_from_looks():
    source = {name: slo.source for name, slo in named().items()}

    assert source["chat-large-good"] is Source.EVENTS
    assert source["other-llama-first"] is Source.BUCKETS
    assert source["plain-queued-stale"] is source["plain-queued-dear"] is source["gpu-NVIDIA-H100-gpus"] is Source.SLOTS


def test_workers_know_what_is_judged_request_by_request_and_of_which_requests():
    known = {objective.slo: objective for objective in summary.thresholds(loads(TEXT)).objectives}

    assert {"other-llama-first", "plain-queued-stale", "plain-queued-dear"}.isdisjoint(known)
    assert known["plain-queued-queue"].stage.label == "queue"
    assert known["chat-large-good"].within == (
        (Sli.TIME_TO_FIRST_TOKEN, 500 * MS), (Sli.TIME_PER_OUTPUT_TOKEN, 50 * MS),
    )  # fmt: skip
    assert (known["plain-queued-mine"].tenant, known["plain-queued-mine"].version) == ("acme", "v2")
    made = summary.thresholds(loads(TEXT))
    assert thresholds_file.loads(thresholds_file.dumps(made)) == made


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)


@given(st.lists(names, min_size=1, max_size=4))
def test_whatever_things_are_called_the_name_of_an_slo_is_plain(parts):
    assert set(slo_name(*parts)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


# What is replaced, what by; the text that is pointed at; what is said, and what would be right.
WRONG = {
    "a target that nobody gives": (
        ("up: {sli: availability, target: 99.9}", "up: {sli: availability}"), "{",
        "objectives.up lacks the key 'target'", "add `target: 99.9`: Share that is good in percent.",
    ),
    "a window beyond what is kept": (
        ("window: 28d", "window: 91d"), "91d",
        "defaults.window: 91d cannot be kept", "write 1d to 90d, for instance 30d",
    ),
    "a window of another objective, overridden": (
        ("overrides: {fast: {target: 95}}", "overrides: {fast: {window: 2h}}"), "2h",
        "services.chat.models.large.overrides.fast.window: 2h cannot be kept", "write 1d to 90d, for instance 30d",
    ),
    "a goodput without limits": (
        ("within: {time_to_first_token: 500ms, time_per_output_token: 50ms}, ", ""), "{",
        "objectives.good lacks the key 'within'",
        "add `within: {time_to_first_token: 500ms, time_per_output_token: 50ms}`: goodput keeps limits",
    ),
    "a goodput with no limit in it": (
        ("{time_to_first_token: 500ms, time_per_output_token: 50ms}", "{}"), "{",
        "objectives.good.within has no limit", "write {time_to_first_token: 500ms}",
    ),
    "a limit that there is not": (
        ("time_per_output_token: 50ms", "time_per_outptu_token: 50ms"), "time_per_outptu_token",
        "objectives.good.within has no key 'time_per_outptu_token'",
        ("did you mean 'time_per_output_token'? known: time_to_first_token, time_per_output_token, "
        "time_to_first_chunk, latency"),
    ),
    "an unknown stage": (
        ("stage: queue", "stage: quue"), "quue",
        "objectives.queue.stage: 'quue' is no stage",
        ("did you mean 'queue'? known: network, queue, deserialize, preprocess, execute, postprocess, serialize, "
        "remote, handler, other"),
    ),
    "a stage of availability": (
        ("up: {sli: availability,", "up: {sli: availability, stage: queue,"), "queue",
        "objectives.up has a stage, but availability has none", "remove it, or write `sli: latency`",
    ),
    "an amount of latency": (
        ("fast: {sli: latency,", "fast: {sli: latency, usd_per_1k: 1,"), "1",
        "objectives.fast has a usd_per_1k, but latency has none", "remove it, or write `sli: cost_per_1k`",
    ),
    "a cost without an amount": (
        ("usd_per_1k: 0.50, ", ""), "{",
        "objectives.dear lacks the key 'usd_per_1k'",
        "add `usd_per_1k: 0.50`: cost_per_1k is good up to an amount",
    ),
    "freshness that nobody can see": (
        ("threshold: 1h, target: 99, for", "threshold: 10s, target: 99, for"), "10s",
        "objectives.stale.threshold: 10s without an answer cannot be told",
        "write 1m to 1d: it is looked at every half minute",
    ),
    "an unknown tenant": (
        ("tenant: acme, version", "tenant: acmee, version"), "acmee",
        "there is no tenant 'acmee'", "did you mean 'acme'? known: acme, globex, other",
    ),
    "an unknown class": (
        ("for: {class: batch}", "for: {class: bulk}"), "bulk",
        "there is no class 'bulk'", "known: interactive, batch",
    ),
    "an unknown label": (
        ("for: {class: batch}", "for: {region: eu}"), "region",
        "objectives.stale.for has no key 'region'", "did you mean 'version'? known: tenant, version, class",
    ),
    "per tenant without tenants": (
        ("tenants: {header: x-tenant, known: [acme, globex]}\n", ""), "acme",
        "there is no tenant 'acme'", "known: none yet",
    ),
    "per tenant and for a tenant": (
        ("per: tenant}", "per: tenant, for: {tenant: acme}}"), "tenant",
        "objectives.each is for one tenant and per tenant", "remove one of the two",
    ),
    "cost of a version": (
        ("usd_per_1k: 0.50,", "usd_per_1k: 0.50, for: {version: v2},"), "v2",
        "objectives.dear is for a version, but cost_per_1k is told apart by tenant", "remove it",
    ),
    "an objective that there is not": (
        ("objectives: [up, fast]\n", "objectives: [up, fst]\n"), "fst",
        "there is no objective 'fst'",
        "did you mean 'fast'? known: up, fast, first, good, queue, mine, each, stale, dear, gpus",
    ),
    "a default that there is not": (
        ("objectives: [up], window", "objectives: [upp], window"), "upp",
        "there is no objective 'upp'",
        "did you mean 'up'? known: up, fast, first, good, queue, mine, each, stale, dear, gpus",
    ),
    "an override of nothing": (
        ("overrides: {fast: {threshold: 400ms}}", "overrides: {first: {threshold: 400ms}}"), "{",
        "services.chat does not promise 'first'", "did you mean 'fast'? known: up, fast, good",
    ),
    "an override of another SLI's key": (
        ("overrides: {fast: {target: 95}}", "overrides: {up: {threshold: 1s}}"), "1s",
        "services.chat.models.large.overrides.up has a threshold, but availability has none",
        "remove it, or write `sli: latency`",
    ),
    "a limit beyond the timeout": (
        ("threshold: 400ms", "threshold: 10s"), "fast",
        "fast-10s allows 10s, but services.chat gives up after 10s",
        "lower the threshold or raise the service's timeout",
    ),
    "GPUs of a model": (
        ("{objectives: [first]}", "{objectives: [gpus]}"), "gpus",
        "services.other.models.llama serves requests, but gpus is about devices",
        "name it there: devices: [{match: {kind: gpu}, …, objectives: [NAME]}]",
    ),
    "requests of a device": (
        ("    objectives: [gpus]", "    objectives: [fast]"), "fast",
        "devices[0] serves no requests, but fast is about latency", "name an objective of `sli: gpu_availability`",
    ),
    "GPUs of a host": (
        ("kind: on_demand, source: list, as_of: 2026-10-01}",
         "kind: on_demand, source: list, as_of: 2026-10-01}\n    objectives: [gpus]"), "gpus",
        "devices[1] is a cpu, but gpus is about GPUs", "remove it",
    ),
    "one name twice": (
        ("  queue: {sli", "  fast: {sli"), "fast",
        "'fast' stands here a second time, first in line 26", "remove one of the two or give it another name",
    ),
    "two models with one name": (
        ("{it: {}, queued:", '{it: {}, "/it": {}, queued:'), "up",
        "plain//it and plain/it both get the SLO name 'plain-it-up'",
        "rename one of the services, models or objectives",
    ),
    "a threshold off the buckets": (
        ("threshold: 500ms, target: 95}", "threshold: 400ms, target: 95}"), "400ms",
        "time_to_first_token ≤ 400ms cannot be read from vllm: its buckets are … 250ms, 500ms …",
        "write 250ms or 500ms",
    ),
    "a tenant of an engine": (
        ("threshold: 500ms, target: 95}", "threshold: 500ms, target: 95, for: {tenant: acme}}"), "first",
        "first is for a tenant, but the page of vllm has none", "promise it of all",
    ),
    "goodput of an engine": (
        ("{objectives: [first]}", "{objectives: [good]}"), "good",
        "goodput cannot be read from vllm: its page has each time by itself, not all of one request",
        "promise availability, time_to_first_token and time_per_output_token one by one",
    ),
    "a duration without a unit": (
        ("threshold: 30ms", "threshold: 30"), "30",
        "objectives.queue.threshold: '30' is no duration", "30 has no unit; write 30ms, for instance",
    ),
    "a duration that stops early": (
        ("threshold: 1h,", "threshold: 1h30,"), "1h30",
        "objectives.stale.threshold: '1h30' is no duration", "30 has no unit; write 1h30m, for instance",
    ),
    "a tab": (
        ("  other:\n", "\tother:\n"), "	", "a tab cannot indent YAML", "indent with spaces",
    ),
    "an anchor": (
        ("timeout: 10s", "timeout: &t 10s"), "&",
        "anchors and aliases are not read here", "write the value out",
    ),
    "a receiver without a secret": (
        ("{webhook: {url_file: /run/secrets/hook}}", "{slack: {channel: '#x'}}"), "{",
        "receivers.a.slack lacks the key 'url_file'",
        "add `url_file: /run/secrets/slack`: File that holds the webhook's address.",
    ),
    "a secret in the file itself": (
        ("{webhook: {url_file: /run/secrets/hook}}", "{pagerduty: {routing_key: abc}}"), "routing_key",
        "receivers.a.pagerduty has no key 'routing_key'", "did you mean 'routing_key_file'? known: routing_key_file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_promised_is_pointed_at_with_what_would_be_right(what):
    (before, after), pointed_at, message, hint = WRONG[what]
    assert TEXT.count(before) >= 1

    text = TEXT.replace(before, after, 1)
    with pytest.raises(FleetError) as caught:
        loads(text, file="fleet.yaml")

    error, place = caught.value, caught.value.place
    assert (error.message, error.hint) == (message, hint)
    line = text.splitlines()[place.line - 1]
    assert (place.file, place.source, line[place.column - 1 :][: error.width]) == ("fleet.yaml", line, pointed_at)


def test_an_objective_named_as_an_override_makes_one_is_refused():
    text = TEXT.replace("  each: {sli: availability", "  fast-400ms: {sli: availability").replace(
        "mine, each", "mine, fast-400ms"
    )

    with pytest.raises(FleetError) as caught:
        loads(text)

    assert caught.value.message == "two objectives are called 'fast-400ms'"


@pytest.mark.broad
def test_more_slos_than_have_series_are_refused():
    models = ", ".join(f"m{number}: {{}}" for number in range(3_000))

    with pytest.raises(FleetError, match=r"the fleet has 30\d\d SLOs, more than the \d+ that have series"):
        loads(TEXT.replace("models: {it: {}, ", f"models: {{{models}, it: {{}}, "))


def test_the_example_of_every_kind_has_every_kind():
    fleet = load(ROOT / "examples/objectives.yaml")

    assert {entry.sli for entry in fleet.objectives} >= set(Sli) - {Sli.TIME_TO_FIRST_CHUNK, Sli.TIME_PER_OUTPUT_TOKEN}
    assert {slo.promise for slo in slos(fleet)} == {entry.name for entry in fleet.objectives}


def test_what_the_page_on_objectives_shows_is_read():
    page = (ROOT / "docs/objectives.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    rest = 'version: 1\nfleet: f\nreceivers: {a: {webhook: {url: "http://a"}}}\nroutes: {page: a, ticket: a}\n'

    assert len(blocks) == 2
    whole, scoped = blocks
    assert len(list(slos(loads(rest + whole)))) == 6
    services = "services: {s: {engine: fastapi, models: {m: {objectives: [acme, new-version, each-tenant]}}}}\n"
    assert len(list(slos(loads(rest + services + scoped)))) == 5
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {"sli", *Sli}
