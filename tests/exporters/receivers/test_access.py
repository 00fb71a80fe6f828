"""A token and TLS on every TCP port of a real sidecar process."""

import http.client
import json
import shutil
import ssl
import subprocess
import time
from dataclasses import replace

import grpc
import pytest

from inferometer.access import Access, Certificates, Token
from inferometer.doctor.destination import look
from inferometer.errors import RefusedError
from inferometer.recorder.connection import Connection
from inferometer.recorder.destination import connect, shown_token
from inferometer.settings import Settings
from inferometer.wire.frame import Frame, encode
from inferometer.wire.message import Hello
from inferometer_compose import web
from inferometer_exporters.ports import Address, exposed

SECRET = "correct-horse-battery-staple"
OPENSSL = shutil.which("openssl") or "openssl"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A token, and certificates of an authority for a server and a client."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "token").write_text(SECRET + "\n")

    def openssl(*arguments):
        subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    for name in ("server", "client"):
        extra = folder / f"{name}.ext"
        extra.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", str(extra),
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def locked(make, tmp_path_factory, files):
    """A sidecar with a token and without TLS."""
    made = make.running(tmp_path_factory.mktemp("locked"), "", files / "token")
    yield made
    made.end()


@pytest.fixture(scope="module")
def secure(make, tmp_path_factory, files):
    """A sidecar with a token, TLS, and an authority for its clients."""
    made = make.running(
        tmp_path_factory.mktemp("secure"),
        "",
        files / "token",
        files / "server.pem",
        files / "server.key",
        files / "ca.pem",
    )
    yield made
    made.end()


@pytest.mark.parametrize(("port", "path"), [("metrics", "/metrics"), ("api", "/api/summary"), ("api", "/api/slowest")])
def test_pages_are_for_who_shows_the_token_and_others_learn_nothing(locked, make, port, path):
    before = sum(locked_value(locked, "inferometer_refusals_total", "unauthorized").values())
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SECRET}"}):
        status, body = locked.get(port, path, header)
        assert (status, body) == (401, b"unauthorized\n")
    assert locked.get(port, path, {"Authorization": f"Bearer {SECRET}"})[0] == 200
    make.wait(lambda: sum(locked_value(locked, "inferometer_refusals_total", "unauthorized").values()) >= before + 3)


def locked_value(sidecar, name, reason):
    _, page = sidecar.get("metrics", "/metrics", {"Authorization": f"Bearer {SECRET}"})
    lines = [line.rpartition(" ") for line in page.decode().splitlines() if line.startswith(name)]
    return {sample: float(value) for sample, _, value in lines if reason in sample}


@pytest.mark.parametrize("port", ["metrics", "api"])
def test_probes_need_no_token(locked, port):
    assert locked.get(port, "/healthz")[0] == 200


def test_spans_are_taken_from_who_shows_the_token(locked, make):
    body = make.request([{}]).SerializeToString()
    assert make.post(locked.ports["otlp-http"], body)[0] == 401
    assert make.post(locked.ports["otlp-http"], body, {"authorization": f"bearer {SECRET}"})[0] == 200
    with grpc.insecure_channel(f"127.0.0.1:{locked.ports['otlp-grpc']}") as channel:
        call = channel.unary_unary(EXPORT)
        with pytest.raises(grpc.RpcError) as caught:
            call(body, timeout=10)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, "unauthorized")
        assert call(body, timeout=10, metadata=(("authorization", f"Bearer {SECRET}"),)) == b""


def test_frames_over_tcp_are_taken_from_who_shows_the_token_and_over_the_socket_from_its_user(locked, make, new_worker):
    assert new_worker(make.tcp(locked.ports["frames-tcp"])).answer() == "unauthorized"
    assert new_worker(make.tcp(locked.ports["frames-tcp"]), token=SECRET).send() == 1
    assert new_worker(make.unix(locked.folder / "s.sock")).send() == 1


def test_a_worker_of_ours_goes_in_with_its_files_and_the_doctor_says_what_lacks(secure, files):
    right = Settings(
        sidecar=f"tls://127.0.0.1:{secure.ports['frames-tcp']}",
        sidecar_token_file=files / "token",
        sidecar_certificate=files / "ca.pem",
        sidecar_client_certificate=files / "client.pem",
        sidecar_client_key=files / "client.key",
    )
    now = time.monotonic_ns()
    hello = Hello(
        worker_id=b"w" * 16, pid=1, service="s", sdk_version="0", boot_id="elsewhere", host="h", start_ns=now,
        monotonic_ns=now, token=shown_token(right),
    )  # fmt: skip
    connection = Connection(connect(right.sidecar, right), hello)
    connection.send(encode(Frame(worker_id=b"w" * 16, sequence=1, monotonic_ns=now, wall_ns=time.time_ns())))
    assert connection.read(10.0) == 1
    connection.close()
    assert look(right).problems == []

    for wrong, why in (
        (replace(right, sidecar_certificate=None), "self-signed certificate in certificate chain"),
        (replace(right, sidecar_token_file=None), "unauthorized"),
        (replace(right, sidecar_certificate=files / "none.pem"), "cannot use the authority"),
    ):
        (problem,) = look(wrong).problems
        assert why in problem


def test_every_port_speaks_tls_and_hears_only_clients_of_its_authority(secure, files, make):
    context = ssl.create_default_context(cafile=files / "ca.pem")
    stranger = ssl.create_default_context(cafile=files / "ca.pem")
    context.load_cert_chain(files / "client.pem", files / "client.key")
    token = {"Authorization": f"Bearer {SECRET}"}
    for port, path in (("metrics", "/metrics"), ("api", "/api/summary"), ("otlp-http", "/v1/traces")):
        connection = http.client.HTTPSConnection("127.0.0.1", secure.ports[port], context=context, timeout=10)
        connection.request("GET", path, headers=token)
        assert connection.getresponse().status == (405 if port == "otlp-http" else 200)
        connection.close()
        connection = http.client.HTTPSConnection("127.0.0.1", secure.ports[port], context=stranger, timeout=10)
        with pytest.raises((OSError, http.client.HTTPException)):  # noqa: PT012 - at one of both, by the version of TLS
            connection.request("GET", path, headers=token)
            connection.getresponse()
        connection.close()
    credentials = grpc.ssl_channel_credentials(
        (files / "ca.pem").read_bytes(), (files / "client.key").read_bytes(), (files / "client.pem").read_bytes()
    )
    with grpc.secure_channel(f"127.0.0.1:{secure.ports['otlp-grpc']}", credentials) as channel:
        call = channel.unary_unary(EXPORT)
        assert (
            call(make.request([{}]).SerializeToString(), timeout=10, metadata=(("authorization", f"Bearer {SECRET}"),))
            == b""
        )


def test_a_file_that_holds_no_token_is_named_and_not_shown(tmp_path):
    path = tmp_path / "token"
    for text in ("", "short\n", "with a space in it, and long enough\n", "ümlaut-ümlaut-ümlaut\n"):
        path.write_text(text)
        with pytest.raises(RefusedError, match="are no token") as caught:
            Token.read(path)
        assert not text.strip() or text.strip() not in str(caught.value)
    with pytest.raises(RefusedError, match="cannot read the token"):
        Token.read(tmp_path / "none")
    path.write_text(SECRET)
    assert SECRET not in repr(Token.read(path))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path, files):
    with pytest.raises(RefusedError, match=r"none\.pem"):
        Certificates(certificate=tmp_path / "none.pem").context()
    with pytest.raises(RefusedError, match=r"server\.pem"):
        Certificates(certificate=files / "server.pem", key=files / "client.key").context()


def test_an_address_that_others_reach_is_warned_of_unless_it_asks_who_they_are(files):
    there = [("--api", Address("0.0.0.0", 9465)), ("--metrics", Address("127.0.0.1", 9464))]  # noqa: S104 - only named
    (warning,) = exposed(there, Access())
    assert warning.startswith("--api 0.0.0.0:9465: whoever reaches this host may use it")
    assert exposed(there, Access(token=Token.read(files / "token"))) == []
    encrypted = Access(certificates=Certificates(certificate=files / "server.pem"))
    assert len(exposed(there, encrypted)) == 1, "TLS alone asks nobody"


def test_json_of_the_api_is_for_who_shows_the_token(locked):
    _, body = locked.get("api", "/api/summary", {"Authorization": f"Bearer {SECRET}"})
    assert "models" in json.loads(body)


def test_commands_show_the_token_and_speak_tls_as_their_environment_says(locked, secure, files):
    api = f"http://127.0.0.1:{locked.ports['api']}/api/summary"
    assert web.fetch(api, environment={}).status == 401
    token = {"INFEROMETER_SIDECAR_TOKEN_FILE": str(files / "token")}
    assert web.fetch(api, environment=token).status == 200
    both = token | {
        "INFEROMETER_SIDECAR_CERTIFICATE": str(files / "ca.pem"),
        "INFEROMETER_SIDECAR_CLIENT_CERTIFICATE": str(files / "client.pem"),
        "INFEROMETER_SIDECAR_CLIENT_KEY": str(files / "client.key"),
    }
    assert web.fetch(f"https://127.0.0.1:{secure.ports['api']}/api/summary", environment=both).status == 200
    with pytest.raises(web.AnswerError, match="does not answer"):
        web.fetch(f"https://127.0.0.1:{secure.ports['api']}/api/summary", environment=token)
