"""What every view of the live page costs the server: CPU and wall time of whole answers."""

import resource
import statistics
import sys
import time

import recorder as filled

LENGTHS = {"15 min": 900, "1 h": 3_600, "6 h": 21_600, "24 h": 86_400}
VIEWS = ("fleet", "model", "slo", "cost")
REQUESTS = (
    "",
    "&sort=slowest",
    "&model=m2&outcome=server_error",
    "&stage=queue&min_share=0.6",
    "&tenant=t1&device=GPU-1",
)


def api(recorder, levels, end):
    """The application with the page, whose clock stands at the newest request."""
    from inferometer_compose.live import PAGES
    from inferometer_exporters.api import Api

    return Api(
        recorder.cursor, filled.THRESHOLDS, healthy=lambda: True, wall_ns=lambda: end, levels=levels, pages=PAGES
    )


def timed(client, url, rounds=5):
    """Median CPU and wall seconds of an answer, and its bytes."""
    cpu, wall, size = [], [], 0
    for _ in range(rounds):
        began, from_wall = time.process_time(), time.perf_counter()
        answer = client.get(url)
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - from_wall)
        if answer.status_code != filled.OK:
            sys.exit(f"{url}: {answer.status_code} {answer.text}")
        size = len(answer.content)
    return statistics.median(cpu), statistics.median(wall), size


def comparisons(end):
    """Name and URL of what the view that compares asks for, in a recorder whose newest request began at *end* ns."""
    now = end // 10**9
    for name, seconds in (("15 min", 900), ("1 h", 3_600), ("12 h", 43_200)):
        times = f"before={now - 2 * seconds}..{now - seconds}&after={now - seconds}..{now}&stages=mean"
        yield f"compare, all models, {name} each", f"/api/compare?{times}"
        yield f"compare m2, {name} each", f"/api/compare?{times}&service=svc&model=m2"


def urls():
    """Name and URL of every view."""
    for length, seconds in LENGTHS.items():
        for view in VIEWS:
            yield f"{view}, {length}", f"/live/view/{view}?since_seconds={seconds}"
        yield f"model m2, {length}", f"/live/view/model?since_seconds={seconds}&service=svc&model=m2"
    for query in REQUESTS:
        yield f"requests{query}", f"/api/requests?n=100&since_seconds=86400{query}"
    yield "menus", "/live/views"


def views(path):
    """Times of every view, and of those of a day without sums."""
    from starlette.testclient import TestClient

    from inferometer_exporters.recorder.levels import Levels
    from inferometer_exporters.recorder.store import Bounds, Recorder

    recorder = Recorder(path, Bounds())
    end = recorder.cursor().execute("select max(wall_ns) + 1 from requests").fetchall()[0][0]
    trace = recorder.cursor().execute("select trace_hi, trace_lo from requests limit 1 offset 500").fetchall()[0]
    levels, without = Levels(filled.THRESHOLDS), Levels(filled.THRESHOLDS)
    raw = {}
    with TestClient(api(recorder, without, end).app()) as client:
        for view in VIEWS:
            raw[view] = timed(client, f"/live/view/{view}?since_seconds=86400", rounds=3)[0]
    began = time.process_time()
    summed = levels.catch_up(recorder.cursor(), end)
    catching_up = time.process_time() - began
    found = {}
    with TestClient(api(recorder, levels, end).app()) as client:
        for name, url in urls():
            found[name] = timed(client, url)
        for name, url in comparisons(end):
            found[name] = timed(client, url, rounds=3)
        found["trace"] = timed(client, f"/api/trace/{trace[0]:016x}{trace[1]:016x}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    recorder.close()
    return {"views": found, "raw": raw, "summed": summed, "catching_up": catching_up, "peak_mib": peak}
