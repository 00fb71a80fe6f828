"""Pages of servers that are not open to everybody: over TLS, behind a token, a password or a certificate."""

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "a-token-that-nobody-may-read"
PASSWORD = "pässword: with blanks"
USER = "prometheus"
NAME = "engine.test"


def certificates(folder: Path) -> Path:
    """A folder with an authority and, of it, a certificate of a server named NAME and one of a client."""
    program = shutil.which("openssl")
    assert program, "openssl is needed to make certificates"

    def openssl(*arguments: str) -> None:
        subprocess.run([program, *arguments], check=True, capture_output=True, cwd=folder, timeout=60)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for authority in ("ca", "other"):
        openssl(
            "req", "-x509", *new, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-days", "2",
            "-subj", f"/CN={authority}",
        )  # fmt: skip
    for name in ("server", "client"):
        (folder / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "names",
        )  # fmt: skip
    (folder / "client.both").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    return folder


class LockedPage:
    """Serves a page to those who show what it expects in ``Authorization``.

    Args:
        page: what it serves.
        expects: the header's value; None: it asks for nothing.
        files: of certificates; None: it speaks no TLS.
        asks_certificate: whether only who shows a certificate of the authority is heard.
    """

    def __init__(
        self, page: bytes, *, expects: str | None = None, files: Path | None = None, asks_certificate: bool = False
    ) -> None:
        self.page, self.expects = page, expects
        self.shown: list[str | None] = []
        locked = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shown = self.headers.get("authorization")
                locked.shown.append(shown)
                right = locked.expects is None or shown == locked.expects
                body = locked.page if right else b"who are you?\n"
                self.send_response(200 if right else 401)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # who is refused by TLS

        self._server = Server(("127.0.0.1", 0), Handler)
        if files is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files / "server.pem", files / "server.key")
            if asks_certificate:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(files / "ca.pem")
            # Per connection, in its own thread: a client that breaks off the handshake stops nobody.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.url = f"{'http' if files is None else 'https'}://127.0.0.1:{self.port}/metrics"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
