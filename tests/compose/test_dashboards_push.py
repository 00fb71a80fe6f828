"""Boards go into a Grafana, again and again, and what people made or changed there stays."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inferometer.access import Token
from inferometer.errors import RefusedError
from inferometer_compose.pushing.boards import Done, push
from inferometer_compose.pushing.grafana import Grafana

ROOT = Path(__file__).parents[2]
TOKEN = "glsa_0123456789abcdef0123456789abcdef"
FOLDER = ("inferometer", "Inferometer")
BOARD = {"uid": "inferometer-fleet", "title": "Inference fleet", "panels": [{"id": 1}]}
OTHER = {"uid": "inferometer-cost", "title": "Cost", "panels": []}


class Stand(http.server.ThreadingHTTPServer):
    """Grafana's HTTP API as it documents it: folders, boards with versions, a service account's token."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folders = {}
        self.boards = {}
        self.provisioned = set()
        self.old = False
        self.writes = 0
        self.between = None
        """Called between a question and a save, as a person may be quicker."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def save(self, dashboard, message, by):
        versions = self.boards.setdefault(dashboard["uid"], [])
        versions.append({"version": len(versions) + 1, "message": message, "createdBy": by,
                         "created": "2026-11-23T09:00:00Z", "dashboard": dashboard})  # fmt: skip
        return versions[-1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        if not self.known():
            return
        if found := re.fullmatch(r"/api/folders/([\w-]+)", path):
            there = found[1] in self.server.folders
            self.answer(200 if there else 404, {"uid": found[1]} if there else {"message": "folder not found"})
        elif found := re.fullmatch(r"/api/dashboards/uid/([\w-]+)/versions", path):
            assert self.path.endswith("?limit=1")
            newest = [{k: v for k, v in self.server.boards[found[1]][-1].items() if k != "dashboard"}]
            self.answer(200, newest if self.server.old else {"continueToken": "", "versions": newest})
        elif found := re.fullmatch(r"/api/dashboards/uid/([\w-]+)", path):
            versions = self.server.boards.get(found[1])
            if versions is None:
                self.answer(404, {"message": "Dashboard not found"})
            else:
                meta = {"provisioned": found[1] in self.server.provisioned, "provisionedExternalId": "fleet.json"}
                self.answer(200, {"meta": meta, "dashboard": versions[-1]["dashboard"]})
        else:
            self.answer(404, {"message": "Not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.known():
            return
        self.server.writes += 1
        if self.path == "/api/folders":
            self.server.folders[body["uid"]] = body["title"]
            self.answer(200, {"uid": body["uid"]})
            return
        assert self.path == "/api/dashboards/db"
        assert body["folderUid"] in self.server.folders
        if self.server.between is not None:
            self.server.between()
        dashboard = body["dashboard"]
        assert dashboard["id"] is None
        there = self.server.boards.get(dashboard["uid"])
        if there and not body["overwrite"] and dashboard.get("version") != there[-1]["version"]:
            self.answer(412, {"status": "version-mismatch"})
            return
        saved = self.server.save(dashboard, body["message"], "sa-inferometer")
        self.answer(200, {"status": "success", "version": saved["version"]})

    def known(self):
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.answer(401, {"message": "Invalid API key"})
        return False

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def stand():
    with Stand() as stand:
        thread = threading.Thread(target=stand.serve_forever)
        thread.start()
        yield stand
        stand.shutdown()
        thread.join()


@pytest.fixture
def pushed(stand):
    def run(*boards, **options):
        grafana = Grafana(stand.url, Token(TOKEN))
        return [one.done for one in push(grafana, boards, folder=FOLDER, **options)]

    return run


def test_boards_are_made_in_their_folder_and_a_second_time_nothing_is_written(stand, pushed):
    assert pushed(BOARD, OTHER) == [Done.MADE, Done.MADE]
    assert stand.folders == {"inferometer": "Inferometer"}
    writes = stand.writes

    assert pushed(BOARD, OTHER) == [Done.SAME, Done.SAME]
    assert stand.writes == writes


def test_a_board_that_is_made_otherwise_now_is_written_anew(stand, pushed):
    pushed(BOARD)

    assert pushed({**BOARD, "panels": []}) == [Done.WRITTEN]
    assert stand.boards[BOARD["uid"]][-1]["dashboard"]["panels"] == []


def test_what_a_person_changed_is_kept_until_we_are_told_to_write_over_it(stand, pushed):
    pushed(BOARD)
    stand.save({**BOARD, "title": "Mine"}, "", "ada")

    assert pushed({**BOARD, "panels": []}) == [Done.KEPT]
    assert stand.boards[BOARD["uid"]][-1]["dashboard"]["title"] == "Mine"
    assert pushed({**BOARD, "panels": []}, overwrite=True) == [Done.WRITTEN]
    assert pushed({**BOARD, "panels": []}) == [Done.SAME]


def test_it_says_who_changed_it(stand):
    stand.save(BOARD, "moved a panel", "ada")

    (one,) = push(Grafana(stand.url, Token(TOKEN)), [BOARD], folder=FOLDER)

    assert one.why == "version 1 is of ada, 2026-11-23T09:00:00Z"


def test_somebody_who_is_quicker_than_us_is_not_written_over(stand, pushed):
    pushed(BOARD)
    stand.between = lambda: stand.save({**BOARD, "title": "Quick"}, "", "ada")

    assert pushed({**BOARD, "panels": []}) == [Done.KEPT]
    assert stand.boards[BOARD["uid"]][-1]["dashboard"]["title"] == "Quick"


def test_boards_of_others_are_not_touched(stand, pushed):
    stand.save({"uid": "theirs", "title": "Theirs"}, "", "ada")
    pushed(BOARD)

    assert len(stand.boards["theirs"]) == 1


def test_a_check_writes_nothing(stand, pushed):
    assert pushed(BOARD, check=True) == [Done.MADE]
    assert stand.writes == 0
    assert stand.folders == {}


def test_versions_are_read_as_older_grafanas_list_them(stand, pushed):
    stand.old = True
    pushed(BOARD)

    assert pushed(BOARD) == [Done.SAME]


def test_a_board_that_grafana_reads_from_a_file_is_refused(stand, pushed):
    pushed(BOARD)
    stand.provisioned.add(BOARD["uid"])

    with pytest.raises(RefusedError, match=r"reads inferometer-fleet from a file \(fleet\.json\)"):
        pushed(BOARD)


def test_a_token_that_is_not_right_is_said_to_be(stand):
    with pytest.raises(RefusedError, match="service account that may edit dashboards"):
        list(push(Grafana(stand.url, Token("x" * 32)), [BOARD], folder=FOLDER))


def test_nobody_there_is_an_error_with_the_address(stand):
    url = stand.url
    stand.shutdown()
    stand.server_close()

    with pytest.raises(RefusedError, match=re.escape(url)):
        list(push(Grafana(url, Token(TOKEN)), [BOARD], folder=FOLDER))


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://grafana", "http://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(RefusedError, match="is no address of Grafana"):
        Grafana(url, Token(TOKEN))


def command(stand, tmp_path, *arguments, token=TOKEN):
    file = tmp_path / "token"
    file.write_text(token + "\n")
    return subprocess.run(
        [sys.executable, "-m", "inferometer_compose", "dashboards", "push", "--url", stand.url, "--token-file",
         str(file), "--config", str(ROOT / "examples" / "fleet.yaml"), *arguments],
        capture_output=True, check=False, text=True, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_the_command_pushes_every_generated_board(stand, tmp_path):
    generated = {path.stem for path in (ROOT / "compose/config/grafana/dashboards").glob("*.json")}
    before = command(stand, tmp_path, "--check")
    first = command(stand, tmp_path)
    after = command(stand, tmp_path, "--check", "--json")

    assert (before.returncode, first.returncode, after.returncode) == (1, 0, 0)
    assert set(stand.boards) == generated
    assert {one["done"] for one in json.loads(after.stdout)["boards"]} == {"unchanged"}
    assert f"{stand.url}/d/inferometer-fleet" in first.stdout
    assert TOKEN not in first.stdout + first.stderr
    stand.save({**BOARD, "title": "Mine"}, "", "ada")
    kept = command(stand, tmp_path)
    assert kept.returncode == 1
    assert "--overwrite writes over them" in kept.stderr


def test_a_token_that_is_refused_is_wrong_use_and_not_shown(stand, tmp_path):
    answer = command(stand, tmp_path, token="wrong-" * 8)

    assert answer.returncode == 2
    assert "wrong-" not in answer.stderr
    assert stand.boards == {}
