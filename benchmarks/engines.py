"""What reading foreign engines costs: one page, 200 of them, and one of 50 MB. CPU time, against prometheus_client.

``python benchmarks/engines.py``

Pages are captured ones, repeated with other labels until they have as many series as asked for.
"""

import gc
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from inferometer.aggregate import Exposition, Snapshot
from inferometer.aggregate.sample import joined
from inferometer_exporters.engines.fleet import Engines
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.page import EnginePage
from inferometer_exporters.engines.scrape import PERIOD_SECONDS, Scraped
from inferometer_exporters.pages.fetch import PageUrl, fetch

CAPTURED = Path(__file__).parents[1] / "tests/data/engines/vllm"
FIRST = CAPTURED / "vllm-0.32.0-cpu.prom"
SECOND = CAPTURED / "vllm-0.32.0-cpu-scrape2.prom"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
RUNS = 7
ENGINES = 200


def page(path: Path, series: int) -> bytes:
    """A page of vLLM with at least so many series: more models, as data-parallel engines have."""
    text = path.read_text()
    head, samples = [], []
    for line in text.splitlines(keepends=True):
        (head if line.startswith("#") else samples).append(line)
    own = [line for line in samples if line.startswith("vllm:")]
    others = "".join(line for line in samples if not line.startswith("vllm:"))
    copies = max(-(-(series - others.count("\n")) // len(own)), 1)
    body = "".join(re.sub(r'engine="0"', f'engine="{number}"', line) for line in own for number in range(copies))
    return ("".join(head) + body + others).encode()


def cpu(run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    first, second = page(FIRST, 10_000), page(SECOND, 10_000)
    ours, theirs, cold = [], [], []
    for _ in range(RUNS):
        gc.collect()
        reader = EnginePage(Target(service="llm", address="host:1"), "vllm")
        cold.append(cpu(lambda reader=reader: reader.read(first)))
        ours.append(cpu(lambda reader=reader: reader.read(second)))
        theirs.append(cpu(lambda: [s for f in text_string_to_metric_families(second.decode()) for s in f.samples]))
    told = EnginePage(Target(service="llm", address="host:1"), "vllm").read(first)
    series = second.count(b"\n") - second.count(b"\n#")
    shown = sum(len(found.amounts) + sum(len(s.buckets) + 2 for s in found.spreads) for found in told.found)
    ours_ms, theirs_ms, cold_ms = (sorted(runs)[RUNS // 2] * 1e3 for runs in (ours, theirs, cold))
    print(f"one page of {series:,} series, {shown:,} of them shown again (CPU time, median of {RUNS})")
    print(
        f"  read and mapped again        {ours_ms:7.1f} ms   {ours_ms / theirs_ms:.2f} x prometheus_client's parse "
        f"of {theirs_ms:.0f} ms; target 50 ms, 1 x"
    )
    print(f"  read and mapped at first     {cold_ms:7.1f} ms   {cold_ms / theirs_ms:.2f} x")

    with tempfile.TemporaryDirectory() as folder:
        fleet(Path(folder))
    large()


def fleet(folder: Path) -> None:
    """200 engines as captured: every scrape of a period, state written, and one scrape of ours by Prometheus."""
    for path in (FIRST, SECOND):
        (folder / path.name).write_bytes(path.read_bytes())
    # A process of its own: what the engines' side costs is not ours.
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(re.search(r"port (\d+)", server.stdout.readline())[1])
        measured(folder, [f"http://127.0.0.1:{port}/{path.name}" for path in (FIRST, SECOND)])
    finally:
        server.terminate()
        server.wait()


def measured(folder: Path, urls: list[str]) -> None:
    first, second = (PageUrl.parse(url) for url in urls)
    pages = [Scraped(url=first, service=f"llm{number}", engine="vllm") for number in range(ENGINES)]
    engines = Engines(pages, folder=folder / "state")
    exposition = Exposition(lambda: joined(Snapshot(), engines.families()))

    def round_of(url: PageUrl) -> None:
        for scraper in engines._scrapers:  # noqa: SLF001 - without its threads
            scraper._get = lambda _, url=url, **how: fetch(url, **how)  # noqa: SLF001 - the page of another moment
            scraper.scrape()
        exposition.respond(PROTOBUF)

    round_of(first)
    round_of(first)
    took = sorted(cpu(lambda url=url: round_of(url)) for url in (second, first, second))[1]
    series = FIRST.read_text().count("{")
    print(
        f"{ENGINES} engines of {series:,} series, each {PERIOD_SECONDS:g} s over HTTP, "
        f"and one page of ours for Prometheus"
    )
    print(f"  {took:.2f} s of CPU a period     {took / PERIOD_SECONDS:.3f} cores; target 0.3")


def large() -> None:
    """A page of 50 MB: 10,000 series of the engine among those of others."""
    other = "".join(
        f'node_{n % 1000}_bytes{{device="nvme{n % 97}n1",mount="/var/lib/{n}",state="in use"}} {n}.0\n'
        for n in range(640_000)
    )
    body = page(FIRST, 10_000) + other.encode()
    reader = EnginePage(Target(service="llm", address="host:1"), "vllm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = cpu(lambda: reader.read(body))
    again = cpu(lambda: reader.read(body))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"a page of {len(body) / 1e6:.0f} MB, {body.count(10):,} lines")
    print(f"  read at first {took:.1f} s, again {again:.1f} s of CPU; {more:.0f} MB of memory")


if __name__ == "__main__":
    main()
