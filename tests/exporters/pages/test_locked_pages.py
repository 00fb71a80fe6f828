"""Pages behind a token, a password or TLS, on real servers: who shows what is let in, and no secret is told on."""

import base64
import logging

import locked_pages as locked
import pytest

from inferometer.catalog import engines as catalog
from inferometer.errors import SourceError
from inferometer.fleet.page_access import PageAccess
from inferometer_exporters.engines.scrape import Scraped, Scraper
from inferometer_exporters.pages.credentials import MOST_SECRET_BYTES, authorization
from inferometer_exporters.pages.fetch import PageUrl, fetch

PAGE = b"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 3\n"
BEARER = f"Bearer {locked.TOKEN}"
BASIC = "Basic " + base64.b64encode(f"{locked.USER}:{locked.PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return locked.certificates(tmp_path_factory.mktemp("locked"))


@pytest.fixture
def serve():
    running = []

    def start(**settings):
        running.append(one := locked.LockedPage(PAGE, **settings))
        return one

    yield start
    for one in running:
        one.close()


def token(files) -> PageAccess:
    return PageAccess(token_file=str(files / "token"))


def password(files) -> PageAccess:
    return PageAccess(username=locked.USER, password_file=str(files / "password"))


def trusting(files, **more) -> PageAccess:
    return PageAccess(ca_file=str(files / "ca.pem"), server_name=locked.NAME, **more)


def got(page, access=None) -> bytes:
    return fetch(PageUrl.parse(page.url), access=access, seconds=20)


@pytest.mark.parametrize(("access", "expects"), [(token, BEARER), (password, BASIC)], ids=["token", "password"])
def test_what_a_page_asks_for_is_shown_to_it(files, serve, access, expects):
    page = serve(expects=expects)

    assert got(page, access(files)) == PAGE
    assert page.shown == [expects]


def test_a_secret_that_was_replaced_is_shown_from_then_on(tmp_path, serve):
    file = tmp_path / "token"
    file.write_text("the-old-one")
    page = serve(expects="Bearer the-new-one")
    access = PageAccess(token_file=str(file))
    with pytest.raises(SourceError, match="401"):
        got(page, access)
    file.write_text("the-new-one\n")

    assert got(page, access) == PAGE


def test_who_shows_nothing_is_told_what_would_be_right(serve):
    with pytest.raises(SourceError, match="answers 401 Unauthorized; it asks who that is: token_file, or username"):
        got(serve(expects=BEARER))


def test_a_wrong_secret_is_said_by_its_file_and_nothing_of_it(files, serve):
    with pytest.raises(SourceError, match=r"answers 401 Unauthorized; it does not take what .*/token holds") as found:
        got(serve(expects="Bearer another"), token(files))

    assert locked.TOKEN not in str(found.value)


def test_a_page_over_tls_is_believed_by_its_own_authority_and_name(files, serve):
    assert got(serve(files=files), trusting(files)) == PAGE


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (lambda _: None, "its certificate is not trusted: unable to get local issuer certificate; ca_file names"),
        (lambda files: PageAccess(ca_file=str(files / "other.pem"), server_name=locked.NAME), "is not trusted"),
        (lambda files: PageAccess(ca_file=str(files / "ca.pem")), "not trusted: IP address mismatch.*server_name"),
        (lambda files: PageAccess(ca_file=str(files / "ca.pem"), server_name="x.test"), "Hostname mismatch"),
    ],
    ids=["the system's authorities", "another authority", "its address", "another name"],
)
def test_a_certificate_of_nobody_is_not_believed_and_no_secret_is_shown(files, serve, access, said):
    page = serve(files=files)
    with pytest.raises(SourceError, match=said):
        got(page, access(files))

    assert page.shown == []


@pytest.mark.parametrize(
    "named", [{"cert_file": "client.pem", "key_file": "client.key"}, {"cert_file": "client.both"}], ids=["two", "one"]
)
def test_who_is_asked_for_a_certificate_shows_one(files, serve, named):
    page = serve(files=files, asks_certificate=True)
    certificate = {key: str(files / name) for key, name in named.items()}

    assert got(page, trusting(files, **certificate)) == PAGE


def test_who_is_asked_for_a_certificate_and_has_none_is_told(files, serve):
    with pytest.raises(SourceError, match="; cert_file is what it may ask for"):
        got(serve(files=files, asks_certificate=True), trusting(files))


def test_a_server_without_tls_is_said_to_have_none(files, serve):
    page = serve()
    page.url = page.url.replace("http:", "https:")

    with pytest.raises(SourceError, match="no TLS with it: wrong version number"):
        got(page, trusting(files))


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (PageAccess(token_file="/nowhere/token"), "cannot read the token in /nowhere/token: No such file"),
        (PageAccess(ca_file="/nowhere/ca.pem"), "cannot use the authority /nowhere/ca.pem"),
        (PageAccess(cert_file="/nowhere/cert.pem"), "cannot use the certificate /nowhere/cert.pem"),
    ],
    ids=["token", "authority", "certificate"],
)
def test_a_file_that_is_not_there_is_named(files, serve, access, said):
    with pytest.raises(SourceError, match=said):
        got(serve(files=files), access)


@pytest.mark.parametrize(
    "content",
    [
        b"", b" \n", b"one\ntwo", b"a\r\nX-Evil: 1", b"with a blank", "schlüssel".encode(), b"\xff\xfe",
        b"x" * (MOST_SECRET_BYTES + 1),
    ],
    ids=["nothing", "blanks", "two lines", "a header", "a blank", "not ASCII", "not UTF-8", "too long"],
)  # fmt: skip
def test_what_is_no_token_is_never_shown_nor_told(tmp_path, serve, content):
    (tmp_path / "token").write_bytes(content)
    page = serve()
    with pytest.raises(SourceError, match=r"/token holds no token: ") as found:
        got(page, PageAccess(token_file=str(tmp_path / "token")))

    assert page.shown == []
    assert not (text := content.decode(errors="ignore").strip()) or text not in str(found.value)


def test_blanks_around_a_secret_are_none_of_it(tmp_path):
    (tmp_path / "token").write_text(" \tabc \n\n")

    assert authorization(PageAccess(token_file=str(tmp_path / "token"))) == "Bearer abc"


def test_a_page_that_asks_is_scraped_and_nothing_of_the_secret_is_logged(files, serve, tmp_path, caplog):
    page = serve(files=files, expects=BEARER)
    scraped = Scraped(
        url=PageUrl.parse(page.url), service="llm", engine="vllm",
        access=trusting(files, token_file=str(files / "token")),
    )  # fmt: skip
    scraper = Scraper(scraped, folder=tmp_path)
    with caplog.at_level(logging.DEBUG):
        scraper.scrape()
        up = [family for family in scraper.families() if family.entry is catalog.UP]
        page.expects = "Bearer another"
        scraper.scrape()
        down = [family for family in scraper.families() if family.entry is catalog.UP]

    assert [family.samples[0].value for family in (*up, *down)] == [1, 0]
    assert "it does not take what" in caplog.text
    told = caplog.text + repr(scraped) + "".join(path.read_text(errors="replace") for path in tmp_path.iterdir())
    assert locked.TOKEN not in told
