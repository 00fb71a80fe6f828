"""What sizing.py measured as a table, and the arithmetic for a day and for rates up to 100,000 requests/s."""

from dataclasses import dataclass

DAY = 86_400


@dataclass(slots=True)
class Costs:
    """What was measured; CPU in seconds."""

    sidecar_per_second: float = 0.0
    passes_per_second: float = 0.0
    sidecar_per_request: float = 0.0
    sidecar_per_scrape: float = 0.0
    wire_per_request: float = 0.0
    recorder_per_request: float = 0.0
    traces_per_request: float = 0.0
    spans_per_trace: float = 0.0
    export_per_trace: float = 0.0
    page_bytes: float = 0.0
    samples: float = 0.0
    prometheus_per_scrape: float = 0.0
    disk_per_sample: float = 0.0
    write_per_sample: float = 0.0
    thanos_per_sample: float = 0.0
    jaeger_per_trace: float = 0.0
    jaeger_disk_per_trace: float = 0.0
    balancer_per_trace: float = 0.0
    sampler_per_trace: float = 0.0


LOADS = (("1M a day", 1e6 / DAY, 1), ("1,000/s", 1e3, 4), ("10,000/s", 1e4, 40), ("100,000/s", 1e5, 400))
"""Name, requests per second, hosts with a sidecar: 250 requests/s on each."""
SCRAPES_PER_SECOND = 1 / 15
RECORDER_SECONDS, JAEGER_SECONDS, PROMETHEUS_SECONDS = DAY, 3 * DAY, 35 * DAY
"""What is kept how long unless somebody says otherwise."""
RECORDER_BYTES = 2 << 30
"""Of each recorder, at most."""


def report(costs: Costs) -> None:
    micro = 1e6
    print("| part | per | measured |\n|---|---|---|")
    for part, per, value in (
        ("sidecar, nothing to do", "second", f"{costs.sidecar_per_second * 1e3:.1f} ms CPU"),
        ("sidecar, passes under load", "second", f"{costs.passes_per_second * 1e3:.1f} ms CPU"),
        ("sidecar", "request", f"{costs.sidecar_per_request * micro:.1f} µs CPU"),
        ("sidecar", "scrape", f"{costs.sidecar_per_scrape * 1e3:.1f} ms CPU"),
        ("worker to sidecar", "request", f"{costs.wire_per_request:.0f} bytes on a local socket"),
        ("flight recorder and state", "request", f"{costs.recorder_per_request:.0f} bytes of disk, for its window"),
        ("traces kept", "request", f"{costs.traces_per_request:.2%}, {costs.spans_per_trace:.1f} spans each"),
        ("sidecar to Jaeger", "kept trace", f"{costs.export_per_trace:.0f} bytes on the wire"),
        ("Jaeger", "kept trace", f"{costs.jaeger_per_trace * micro:.0f} µs CPU"),
        ("Jaeger, Badger", "kept trace", f"{costs.jaeger_disk_per_trace:.0f} bytes of disk"),
        ("balancer", "kept trace", f"{costs.balancer_per_trace * micro:.0f} µs CPU"),
        ("sampler", "kept trace", f"{costs.sampler_per_trace * micro:.0f} µs CPU"),
        ("page of 6 models, 4 tenants", "scrape", f"{costs.page_bytes:.0f} bytes on the wire, compressed"),
        ("samples, recorded ones included", "scrape", f"{costs.samples:.0f}"),
        ("Prometheus, rules included", "scrape", f"{costs.prometheus_per_scrape * 1e3:.1f} ms CPU"),
        ("Prometheus' disk", "sample", f"{costs.disk_per_sample:.2f} bytes"),
        ("remote write", "sample", f"{costs.write_per_sample:.2f} bytes on the wire"),
        ("Thanos receiving", "sample", f"{costs.thanos_per_sample * micro:.2f} µs CPU"),
    ):
        print(f"| {part} | {per} | {value} |")
    heads = (
        "requests", "hosts", "cores of sidecars", "of Prometheus", "of Collectors", "of Jaeger", "kB/s to Jaeger",
        "kB/s of remote write", "GB of recorders, 24 h", "of Jaeger, 3 d", "of Prometheus, 35 d",
    )  # fmt: skip
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, rate, hosts in LOADS:
        print(f"| {' | '.join((name, str(hosts), *extrapolated(costs, rate, hosts)))} |")


def extrapolated(costs: Costs, rate: float, hosts: int) -> tuple[str, ...]:
    """The arithmetic of docs/sizing.md."""
    fixed = costs.sidecar_per_second + costs.passes_per_second + costs.sidecar_per_scrape * SCRAPES_PER_SECOND
    kept = rate * costs.traces_per_request
    cores = (
        hosts * fixed + rate * costs.sidecar_per_request,
        hosts * costs.prometheus_per_scrape * SCRAPES_PER_SECOND,
        kept * (costs.balancer_per_trace + costs.sampler_per_trace),
        kept * costs.jaeger_per_trace,
    )
    samples = hosts * costs.samples * SCRAPES_PER_SECOND
    wire = kept * costs.export_per_trace, samples * costs.write_per_sample
    disks = (
        min(RECORDER_SECONDS * rate * costs.recorder_per_request, hosts * RECORDER_BYTES),
        JAEGER_SECONDS * kept * costs.jaeger_disk_per_trace,
        PROMETHEUS_SECONDS * samples * costs.disk_per_sample,
    )
    figures = (*cores, *(one / 1e3 for one in wire), *(one / 1e9 for one in disks))
    return tuple(f"{one:,.0f}" if one >= 100 else f"{one:.2g}" for one in figures)
