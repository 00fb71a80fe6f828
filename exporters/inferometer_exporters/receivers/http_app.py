"""OTLP over HTTP: ``POST /v1/traces``, protobuf or JSON, plain or gzip."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from inferometer.access import is_loopback
from inferometer.errors import InferometerError, WireError
from inferometer_exporters.receivers import messages, taking
from inferometer_exporters.receivers.body import MAX_BODY, TooLargeError, gunzipped
from inferometer_exporters.receivers.incoming import WHY
from inferometer_exporters.receivers.taking import BusyError, Taking
from inferometer_exporters.web_guard import Receive, Send, answer

PATH: Final = "/v1/traces"
_OTHER_SIGNALS: Final = frozenset({"/v1/metrics", "/v1/logs", "/v1development/profiles"})
TRACES_ONLY: Final = (
    "inferometer takes traces only, at /v1/traces; let Prometheus scrape metrics, and send logs where they are kept"
)
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
RETRY_SECONDS: Final = 1
"""A pass comes four times a second."""


class _RefusalError(InferometerError):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, reason: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request's head says."""

    is_json: bool
    gzip: bool
    length: int | None


class HttpTraces:
    """An ASGI application.

    Args:
        taking: what becomes of a body.
        limit: bytes of a body, as it comes and decompressed.
    """

    def __init__(self, taking: Taking, limit: int = MAX_BODY) -> None:
        self._taking = taking
        self._limit = limit

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        is_json = headers.get(b"content-type", "").partition(";")[0].strip().lower() == JSON
        kind = {"content-type": JSON if is_json else PROTOBUF}
        try:
            asked = self._head(scope, headers, is_json=is_json)
            body = await self._body(receive, asked)
            near = is_loopback((scope.get("client") or ("",))[0])
            decode = messages.from_json if asked.is_json else messages.from_protobuf
            request = self._taking.take(body, decode, near=near)
        except _RefusalError as error:
            await self._refuse(send, error, kind)
        except TooLargeError as error:
            await self._refuse(
                send, _RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, taking.TOO_LARGE, str(error)), kind
            )
        except WireError as error:
            await self._refuse(send, _RefusalError(HTTPStatus.BAD_REQUEST, taking.UNDECODABLE, str(error)), kind)
        except BusyError as error:
            again = kind | {"retry-after": str(RETRY_SECONDS)}
            await self._refuse(send, _RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, taking.BUSY, str(error)), again)
        else:
            said = messages.answer_json if is_json else messages.answer_protobuf
            await answer(send, HTTPStatus.OK, said(request.rejected, WHY), kind)

    def _head(self, scope: Any, headers: dict[bytes, str], *, is_json: bool) -> _Asked:
        path = scope["path"]
        if path != PATH:
            why = TRACES_ONLY if path in _OTHER_SIGNALS else f"nothing is here; spans go to {PATH}"
            raise _RefusalError(HTTPStatus.NOT_FOUND, taking.UNSUPPORTED, why)
        if scope["method"] != "POST":
            raise _RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, taking.UNSUPPORTED, "POST is right")
        media = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if not is_json and media != PROTOBUF:
            why = f"content-type {media[:100]!r}: {PROTOBUF} or {JSON} is right"
            raise _RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, taking.UNSUPPORTED, why)
        encoding = headers.get(b"content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip"}:
            why = f"content-encoding {encoding[:100]!r}: gzip or none is right"
            raise _RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, taking.UNSUPPORTED, why)
        length = headers.get(b"content-length", "")
        if length.isdecimal() and int(length) > self._limit:
            raise TooLargeError(self._limit)
        return _Asked(is_json, encoding == "gzip", int(length) if length.isdecimal() else None)

    async def _body(self, receive: Receive, asked: _Asked) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise WireError("the client left before its body was there")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._limit:
                raise TooLargeError(self._limit)
            if not message.get("more_body", False):
                break
        data = b"".join(parts)
        return gunzipped(data, self._limit) if asked.gzip else data

    async def _refuse(self, send: Send, error: _RefusalError, headers: dict[str, str]) -> None:
        self._taking.refused(error.reason)
        said = messages.refusal_json if headers["content-type"] == JSON else messages.refusal_protobuf
        if error.status is not HTTPStatus.SERVICE_UNAVAILABLE:
            # What is left of a body that is not read would be taken for the next request.
            headers = headers | {"connection": "close"}
        await answer(send, error.status, said(str(error)), headers)
