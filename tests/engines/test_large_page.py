"""A page of 50 MB, compressed, over HTTP: read as the engine's small page, in time and memory that have a limit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(240)]

MB = 10**6
MOST_TIMES_ITS_SIZE = 4
"""Memory for the page, its text, and what is kept of its lines from one scrape to the next."""

READING = r"""
import gzip, json, resource, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from prometheus_client.parser import text_string_to_metric_families
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.page import EnginePage
from inferometer_exporters.engines.scrape import MAX_PAGE_BYTES
from inferometer_exporters.pages.fetch import PageUrl, fetch

captured = open(sys.argv[1], "rb").read()
OTHER = 'node_{}_bytes{{device="nvme{}n1",mount="/var/lib/{}",state="in use"}} {}.0\n'

def page(lines):
    return captured + "".join(OTHER.format(n % 1000, n % 97, n, n) for n in range(lines)).encode()

def told(reader, body):
    return [(str(one.amounts), str(one.spreads)) for one in reader.read(body).found]

def new():
    return EnginePage(Target(service="llm", address="host:1"), "vllm")

def cpu(run):
    began = time.process_time()
    result = run()
    return time.process_time() - began, result

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

small = page(30_000)
theirs, _ = cpu(lambda: list(text_string_to_metric_families(small.decode())))
expected = told(new(), captured)
body = page(660_000)
packed = gzip.compress(body, 1)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        self.wfile.write(packed)
    def log_message(self, *_):
        pass

size = len(body)
del body
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = PageUrl.parse(f"http://127.0.0.1:{server.server_port}/metrics")
before, reader = peak(), new()
first, found = cpu(lambda: told(reader, fetch(url, limit=MAX_PAGE_BYTES, seconds=60)))
second, again = cpu(lambda: told(reader, fetch(url, limit=MAX_PAGE_BYTES, seconds=60)))
print(json.dumps({
    "size": size, "more": peak() - before, "same": found == expected == again, "signals": len(found),
    "ours": [first / size, second / size], "theirs": theirs / len(small),
}))
"""


def test_a_page_of_50_megabytes_is_read_in_bounded_time_and_memory():
    captured = Path(__file__).parents[1] / "data/engines/vllm/vllm-0.32.0-cpu.prom"
    ran = subprocess.run([sys.executable, "-c", READING, str(captured)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)

    assert found["size"] > 50 * MB
    assert found["same"]
    assert found["signals"] > 20
    assert found["more"] < MOST_TIMES_ITS_SIZE * found["size"]
    # With the way over HTTP and unpacking, byte for byte, against the reference parser alone.
    assert max(found["ours"]) < found["theirs"], found
