"""Stands in for Grafana: loads what is provisioned, wants its password, keeps a database, says how it is.

It ends with an error where Grafana would: a provisioning file it cannot read, a dashboard that is no JSON, a password
that is missing, a folder it may not write.
"""

import base64
import json
import os
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

PROVISIONING = Path("/etc/grafana/provisioning")
PASSWORD = Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text(encoding="utf-8")
assert len(PASSWORD) >= 20, "a password that nobody chose is longer"
ANONYMOUS = os.environ["GF_AUTH_ANONYMOUS_ORG_ROLE"]


def provisioned(kind: str, key: str) -> list[dict]:
    """Everything of one kind that is provisioned."""
    files = sorted((PROVISIONING / kind).glob("*.y*ml"))
    return [one for file in files for one in yaml.safe_load(file.read_text(encoding="utf-8"))[key]]


SOURCES = {source["uid"]: source for source in provisioned("datasources", "datasources")}
BOARDS = [
    json.loads(file.read_text(encoding="utf-8"))
    for provider in provisioned("dashboards", "providers")
    for file in sorted(Path(provider["options"]["path"]).glob("*.json"))
]
assert SOURCES, "no data source is provisioned"
assert BOARDS, "no board is provisioned"
Path("/var/lib/grafana/grafana.db").write_text("kept")


def health(uid: str) -> dict:
    """Whether a data source answers, asked through it as Grafana does."""
    source = SOURCES[uid]
    path = {"prometheus": "/api/v1/query?query=up", "jaeger": "/api/services"}[source["type"]]
    with urllib.request.urlopen(source["url"] + path, timeout=5) as answer:
        json.load(answer)
    return {"status": "OK"}


class Handler(BaseHTTPRequestHandler):
    """The few questions that a test asks."""

    def do_GET(self) -> None:
        """Answer one."""
        path, role = self.path, self.role()
        if role is None:
            self.answer(401, {"message": "Invalid username or password"})
        elif path == "/api/health":
            self.answer(200, {"database": "ok", "version": "stand-in"})
        elif path == "/api/search":
            self.answer(200, [{"uid": board["uid"], "title": board["title"]} for board in BOARDS])
        elif path == "/api/org/role":
            self.answer(200, {"role": role})
        elif path.startswith("/api/datasources/uid/") and path.endswith("/health"):
            self.answer(200, health(path.split("/")[4]))
        else:
            self.answer(404, {"message": "Not found"})

    def role(self) -> str | None:
        """Of whoever asks; None for a wrong password."""
        said = self.headers.get("Authorization")
        if said is None:
            return ANONYMOUS
        right = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        return "Admin" if said == right else None

    def answer(self, status: int, document: object) -> None:
        """Send a document."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


ThreadingHTTPServer(("0.0.0.0", 3000), Handler).serve_forever()  # noqa: S104 - inside its container
