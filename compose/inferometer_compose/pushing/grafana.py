"""The five calls of Grafana's HTTP API that pushing needs.

Own code, since the well-kept client (grafana-client 5.1) installs a library that takes the place of urllib3 in the
whole environment.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

from inferometer.access import Token
from inferometer.errors import RefusedError
from inferometer.version import VERSION

TIMEOUT_SECONDS: Final = 10.0
_MOST_BYTES: Final = 32 << 20
_SAID: Final = 200
"""Characters of an error that are shown."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest version of a board in Grafana."""

    number: int
    message: str
    by: str
    at: str


class Grafana:
    """A Grafana, asked with a service account's token.

    Args:
        url: Where it answers, with the path below which it is served.
        token: Of a service account that may edit the folder.

    Raises:
        RefusedError: *url* is none.
    """

    def __init__(self, url: str, token: Token) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RefusedError(f"{url!r} is no address of Grafana: http://host:3000 is right")
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host = parts.netloc
        self._path = parts.path.rstrip("/")
        self._token = token

    def has_folder(self, uid: str) -> bool:
        """Whether there is a folder.

        Raises:
            RefusedError: Grafana does not answer, or says no.
        """
        status, _ = self._ask("GET", f"/folders/{quote(uid)}", allowed=(HTTPStatus.NOT_FOUND,))
        return status == HTTPStatus.OK

    def make_folder(self, uid: str, title: str) -> None:
        """Make a folder.

        Raises:
            RefusedError: Grafana does not answer, or says no.
        """
        self._ask("POST", "/folders", {"uid": uid, "title": title})

    def latest(self, uid: str) -> Latest | None:
        """The newest version of a board; None where there is no such board.

        Raises:
            RefusedError: Grafana does not answer, or says no; or the board is one that it reads from a file.
        """
        status, board = self._ask("GET", f"/dashboards/uid/{quote(uid)}", allowed=(HTTPStatus.NOT_FOUND,))
        if status == HTTPStatus.NOT_FOUND:
            return None
        if board["meta"].get("provisioned"):
            raise RefusedError(
                f"Grafana reads {uid} from a file ({board['meta'].get('provisionedExternalId')}): change that"
            )
        _, answer = self._ask("GET", f"/dashboards/uid/{quote(uid)}/versions?limit=1")
        # A list until Grafana 11, a document with a list since.
        newest = (answer["versions"] if isinstance(answer, dict) else answer)[0]
        return Latest(
            int(newest["version"]), newest.get("message", ""), newest.get("createdBy", ""), newest.get("created", "")
        )

    def save(self, board: dict[str, Any], *, folder: str, message: str, over: int | None) -> bool:
        """Write a board; False where somebody else wrote it in the meantime.

        Args:
            board: As generated.
            folder: Uid of the folder.
            message: Of the version.
            over: The version that it is written over; None: whatever is there.

        Raises:
            RefusedError: Grafana does not answer, or says no.
        """
        dashboard = {**board, "id": None, **({} if over is None else {"version": over})}
        body = {"dashboard": dashboard, "folderUid": folder, "message": message, "overwrite": over is None}
        status, _ = self._ask("POST", "/dashboards/db", body, allowed=(HTTPStatus.PRECONDITION_FAILED,))
        return status != HTTPStatus.PRECONDITION_FAILED

    def _ask(
        self, method: str, path: str, body: object = None, *, allowed: tuple[HTTPStatus, ...] = ()
    ) -> tuple[int, Any]:
        connection = self._connection()
        headers = {
            "Authorization": self._token.header,
            "Accept": "application/json",
            "User-Agent": f"inferometer/{VERSION}",
        }
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, f"{self._path}/api{path}", data, headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(f"{self.url} does not answer: {error}") from error
        finally:
            connection.close()
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RefusedError(
                f"{self.url} does not let this token do {method} /api{path.partition('?')[0]} ({status}): "
                "it must be of a service account that may edit dashboards and folders"
            )
        if status != HTTPStatus.OK and status not in allowed:
            said = content[:_SAID].decode(errors="replace")
            raise RefusedError(f"{self.url} answered {method} /api{path} with {status}: {said}")
        try:
            return status, json.loads(content or b"null")
        except ValueError as error:
            raise RefusedError(f"{self.url}/api{path} answered no JSON: is it Grafana?") from error

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)
