"""Pages of 1,001 histograms: ours against prometheus_client, interleaved rounds in one run, medians and ratios.

    python benchmarks/render.py [--rounds 7] [--histograms 1001]

Both hold the same buckets and counts; the OpenMetrics pages are compared sample by sample before anything is timed.
Target: 0.03 of the time of prometheus_client's page.
"""

import argparse
import gc
import os
import random
import statistics
import time
from collections.abc import Callable

os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "True"

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as ClientHistogram
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar as ClientExemplar

from inferometer.aggregate import Aggregator, Exemplar, Exposition
from inferometer.aggregate.exposition import OPENMETRICS, PROTOBUF
from inferometer.catalog import requests
from inferometer.catalog.stages import Stage

TARGET = 0.03
ENTRY = requests.STAGE_DURATION
EVERY_TENTH = 0.1


def filled(histograms: int) -> tuple[Aggregator, CollectorRegistry]:
    """The same values in our aggregator and in a registry of prometheus_client."""
    rng = random.Random(1)  # noqa: S311 - made-up durations
    aggregator = Aggregator()
    layout = aggregator.layout(ENTRY)
    registry = CollectorRegistry()
    peer = ClientHistogram(
        ENTRY.name,
        ENTRY.help,
        ENTRY.label_names,
        buckets=[bound / layout.scale for bound in layout.classic],
        registry=registry,
    )
    stages = [stage.label for stage in Stage]
    for number in range(histograms):
        labels = ("demo", f"model-{number // len(stages)}", "v1", "eu", stages[number % len(stages)])
        cell = aggregator.histogram(ENTRY, labels)
        for _ in range(300):
            cell.observe(int(rng.lognormvariate(16.8, 1.2)))
        child = peer.labels(*labels)
        for bucket, count in zip(child._buckets, cell.classic, strict=True):  # noqa: SLF001 - 300k observe() take minutes
            bucket.set(count)
        child._sum.set(cell.total / layout.scale)  # noqa: SLF001 - the same
        for index in range(len(cell.classic)):
            if rng.random() < EVERY_TENTH:
                value = layout.classic[min(index, len(layout.classic) - 1)]
                cell.exemplars[index] = Exemplar(
                    trace_id=number * 1000 + index, value=value, wall_ns=1_700_000_000 * 10**9
                )
                trace = {"trace_id": f"{number * 1000 + index:032x}"}
                child._buckets[index].set_exemplar(ClientExemplar(trace, value / layout.scale, 1.7e9))  # noqa: SLF001 - it has no setter
    Exposition(aggregator.snapshot).respond().fetched()
    aggregator.settle()
    return aggregator, registry


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, object]]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): (round(s.value, 9), s.exemplar.labels if s.exemplar else None)
        for family in text_string_to_metric_families(page.decode())
        for s in family.samples
        if family.name == ENTRY.name
    }


def timed(work: Callable[[], bytes]) -> tuple[float, int]:
    """Milliseconds of this thread, and the page's bytes."""
    gc.collect()
    begin = time.thread_time_ns()
    page = work()
    return (time.thread_time_ns() - begin) / 1e6, len(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--histograms", type=int, default=1001)
    arguments = parser.parse_args()
    aggregator, registry = filled(arguments.histograms)
    snapshot = aggregator.snapshot()

    def fresh(accept: str) -> bytes:
        return Exposition(lambda: snapshot).respond(accept).body

    if samples(fresh(OPENMETRICS)) != samples(generate_openmetrics(registry)):
        parser.exit(1, "the pages differ\n")
    warm = Exposition(aggregator.snapshot)
    cells = [aggregator.histogram(ENTRY, s.labels) for f in snapshot.families for s in f.samples if f.entry is ENTRY]

    def changed(share: float, accept: str) -> bytes:
        for cell in cells[: int(len(cells) * share)]:
            cell.observe(5_000_000)
        return warm.respond(accept).body

    cases: dict[str, Callable[[], bytes]] = {
        "prometheus_client OpenMetrics with exemplars": lambda: generate_openmetrics(registry),
        "prometheus_client text 0.0.4": lambda: generate_latest(registry),
        "ours OpenMetrics with exemplars, first page": lambda: fresh(OPENMETRICS),
        "ours text 0.0.4, first page": lambda: fresh(""),
        "ours protobuf, native and classic, first page": lambda: fresh(PROTOBUF),
        "ours OpenMetrics, every series changed": lambda: changed(1, OPENMETRICS),
        "ours OpenMetrics, one of ten series changed": lambda: changed(0.1, OPENMETRICS),
        "ours protobuf, every series changed": lambda: changed(1, PROTOBUF),
        "ours protobuf, one of ten series changed": lambda: changed(0.1, PROTOBUF),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    sizes: dict[str, int] = {}
    for _ in range(arguments.rounds):
        for name, work in cases.items():
            spent, sizes[name] = timed(work)
            times[name].append(spent)
    base = statistics.median(times[next(iter(cases))])
    print(f"{arguments.histograms} histograms x {len(aggregator.layout(ENTRY).classic) + 1} buckets, "
          f"medians of {arguments.rounds} interleaved rounds, CPU of the thread")  # fmt: skip
    for name, spent_in in times.items():
        median = statistics.median(spent_in)
        held = "" if not name.startswith("ours") else "  held" if median <= TARGET * base else "  missed"
        print(f"{name:50s} {median:9.1f} ms  {sizes[name] / 1e6:6.2f} MB  ratio {median / base:.4f}{held}")
    print(f"target {TARGET} of prometheus_client's OpenMetrics page")


if __name__ == "__main__":
    main()
