"""Open the connection that all clients share, and turn HTTP errors into a `Failure`."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from core.remote.answer import Answer, Failure
from core.remote.clients.client import Secret
from core.remote.config import RemoteConfig

_LARGEST: Final = 32 << 20  # bytes of one answer
_SHOWN: Final = 300  # characters of a server's own words
_MOST_TOKENS: Final = 1 << 40  # of one request: a server that reports more, or a negative number, is wrong
_AGAIN: Final = frozenset({408, 409, 425, 429})
# No request with this key to this address can succeed.
_FATAL: Final = frozenset({401, 402, 403, 404, 405, 498})


def connection(config: RemoteConfig) -> httpx.Client:
    """Return an HTTP client that ends every answer within the time limit of a request."""
    return httpx.Client(
        timeout=config.timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=config.concurrency),
        event_hooks={"request": [_note_the_time], "response": [_bound]},
    )


def _note_the_time(request: httpx.Request) -> None:
    # httpx limits the time between two bytes; a server that sends one now and then would never end.
    seconds = request.extensions.get("timeout", {}).get("read")
    request.extensions["glotmill_deadline"] = time.monotonic() + (seconds or 0)


def _bound(response: httpx.Response) -> None:
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Bounded(response.stream, response.request)


class _Bounded(httpx.SyncByteStream):
    """The bytes of an answer, up to a size and a time."""

    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request) -> None:
        self._stream, self._request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > _LARGEST:
                raise httpx.RemoteProtocolError(f"more than {_LARGEST} bytes", request=self._request)
            if time.monotonic() > self._request.extensions["glotmill_deadline"]:
                raise httpx.ReadTimeout("the answer did not end in time", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()


def guarded(secret: Secret, send: Callable[[], Answer]) -> Answer:
    """Return the answer of `send` with the key removed. An error becomes a `Failure` without the key or the cause."""
    try:
        answer = send()
        if not all(0 <= count < _MOST_TOKENS for count in (answer.input_tokens, answer.output_tokens)):
            raise ValueError(f"{answer.input_tokens} and {answer.output_tokens} tokens")
    except Failure as error:
        failure = error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        failure = failure_of(error)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
    ) as error:  # the server sent an unexpected body
        failure = broken("not what such a server answers", f"{type(error).__name__}: {error}")
    else:
        said = (answer.text, answer.finish_reason, answer.model)
        text, reason, model = (secret.hidden_in(_whole(field)) for field in said)
        return (
            answer if (text, reason, model) == said else replace(answer, text=text, finish_reason=reason, model=model)
        )
    # Cut only after the key is removed: half a key would no longer be recognized.
    failure.args = tuple(_whole(secret.hidden_in(str(argument))[:_SHOWN]) for argument in failure.args)
    raise failure.with_traceback(None) from None


def _whole(text: str) -> str:
    """Return `text` without half characters: a model that is cut inside an emoji sends one, and no file can hold it."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def failure_of(error: httpx.HTTPError | httpx.InvalidURL) -> Failure:
    """Return the failure for an exception of httpx."""
    if isinstance(error, httpx.TimeoutException):
        return Failure("timeout", "no whole answer in time", again=True)
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return Failure("broken_answer", f"the answer broke off or is no HTTP: {error}", again=True)
    if isinstance(error, httpx.TransportError):
        return Failure("connection", f"{type(error).__name__}: {error}", again=True)
    return Failure("connection", f"{type(error).__name__}: {error}", fatal=True)


def json_of(response: httpx.Response) -> Any:
    """Return the JSON of an answer. Raise Failure for a status other than success."""
    if not response.is_success:
        raise failure_of_status(response.status_code, response.headers, response.text)
    return response.json()


def failure_of_status(status: int, headers: Mapping[str, str], body: str) -> Failure:
    """Return the failure for an HTTP status, with the server's message."""
    words = " ".join(body.split())
    again = status in _AGAIN or status >= 500
    if not 400 <= status < 600:
        return Failure("broken_answer", f"status {status}: {words}", again=200 <= status < 300, fatal=status >= 300)
    wait = retry_after(headers) if again else None
    return Failure(f"status_{status}", words, again=again, fatal=status in _FATAL, retry_after=wait)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header, given in seconds or as a date, or None without such a header.

    >>> retry_after({"retry-after": "2"})
    2.0
    """
    values = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = values.get(name, "")
        try:
            seconds = float(text) * unit
        except ValueError:
            continue
        return min(max(seconds, 0.0), 1e9) if seconds == seconds else None
    try:
        when = email.utils.parsedate_to_datetime(values["retry-after"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    return max(0.0, when - (time.time() if now is None else now))


def broken(what: str, seen: Any) -> Failure:
    """Return the failure for an answer that this kind of server should not send."""
    return Failure("broken_answer", f"{what}: {seen}", again=True)
