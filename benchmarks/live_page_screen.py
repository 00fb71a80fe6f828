"""When the live page shows what it is about, in Chromium: first paint, first data, a request that just ended."""

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import recorder as filled
from live_page_views import api

CHROMIUM = "/usr/bin/chromium"
ROUNDS = 15
APP = """import inferometer.auto
from fastapi import FastAPI
app = FastAPI()
@app.get("/predict")
def predict(): return {}
"""


def painted(path):
    """First paint, and first data on the screen, of each view in Chromium: ms since the navigation began."""
    from playwright.sync_api import sync_playwright

    from inferometer.access import OPEN
    from inferometer_exporters.ports import Address, ApiServer
    from inferometer_exporters.recorder.levels import Levels
    from inferometer_exporters.recorder.store import Bounds, Recorder
    from inferometer_exporters.tally import Tally

    recorder = Recorder(path, Bounds())
    end = recorder.cursor().execute("select max(wall_ns) + 1 from requests").fetchall()[0][0]
    levels = Levels(filled.THRESHOLDS)
    levels.catch_up(recorder.cursor(), end)
    server = ApiServer(api(recorder, levels, end).app(), Address("127.0.0.1", 0), OPEN, Tally(), is_open=lambda _: True)
    server.start()
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path_ in ("/", "/model", "/requests", "/slo", "/cost", "/?since_seconds=86400"):
            paints, data = [], []
            for _ in range(3):
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{server.port}{path_}")
                page.wait_for_selector("body[data-shown]", timeout=60_000)
                data.append(page.evaluate("performance.now()"))
                paints.append(
                    page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
                )
                page.close()
            found[path_] = statistics.median(paints), statistics.median(data)
        browser.close()
    server.close()
    recorder.close()
    return found


def news(folder):
    """Seconds from the end of a request to its row on the screen: a real sidecar, a real server, Chromium."""
    from playwright.sync_api import sync_playwright

    socket_path = Path(folder) / "sidecar.sock"
    (Path(folder) / "app.py").write_text(APP)
    command = [sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(socket_path)]
    command += [
        "--state",
        f"{folder}/state",
        "--metrics",
        "0",
        "--api",
        "0",
        "--otlp-grpc",
        "off",
        "--otlp-http",
        "off",
    ]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        folder,
        "--port",
        str(port),
        "--log-level",
        "warning",
        "app:app",
    ]
    sidecar = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    served = subprocess.Popen(serve, env={**os.environ, "INFEROMETER_SIDECAR": f"unix://{socket_path}"})
    try:
        api_url = next(line.split()[1] for line in sidecar.stdout if line.startswith("api "))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{api_url}/requests")
            page.wait_for_selector("body[data-shown]", timeout=60_000)
            rows, took = page.locator("#requests tbody tr[data-href]"), []
            ask(port, patience=30)
            rows.first.wait_for()
            for _ in range(ROUNDS):
                time.sleep(0.7)
                before = rows.count()
                ask(port)
                began = time.perf_counter()
                while rows.count() <= before:
                    time.sleep(0.005)
                took.append(time.perf_counter() - began)
            browser.close()
    finally:
        for process in (served, sidecar):
            process.terminate()
            process.wait(10)
    return took


def ask(port, patience=0.0):
    """One request; while nobody answers yet, again."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/predict") as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
