"""The connection that all clients share, and how an HTTP answer that is none becomes a `Failure`."""

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
_MOST_TOKENS: Final = 1 << 40  # of one request: a server that tells of more, or of less than none, made it up
_AGAIN: Final = frozenset({408, 409, 425, 429})
# Nothing that is asked with this key, at this address, will be answered.
_FATAL: Final = frozenset({401, 402, 403, 404, 405, 498})


def connection(config: RemoteConfig) -> httpx.Client:
    """An HTTP client whose every answer ends, one way or another, within the time that a request may take."""
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
    """What `send` gives, without the key in it. An error becomes a `Failure`, without the key and without its cause."""
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
    ) as error:  # of whatever the server made up
        failure = broken("not what such a server answers", f"{type(error).__name__}: {error}")
    else:
        said = (answer.text, answer.finish_reason, answer.model)
        text, reason, model = (secret.hidden_in(_whole(one)) for one in said)
        return (
            answer if (text, reason, model) == said else replace(answer, text=text, finish_reason=reason, model=model)
        )
    # Cut only now: half a key is no longer known for one.
    failure.args = tuple(_whole(secret.hidden_in(str(argument))[:_SHOWN]) for argument in failure.args)
    raise failure.with_traceback(None) from None


def _whole(text: str) -> str:
    """`text` without half characters: a model that is cut inside an emoji sends one, and no file takes it."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def failure_of(error: httpx.HTTPError | httpx.InvalidURL) -> Failure:
    """The failure that an exception of httpx means."""
    if isinstance(error, httpx.TimeoutException):
        return Failure("timeout", "no whole answer in time", again=True)
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return Failure("broken_answer", f"the answer broke off or is no HTTP: {error}", again=True)
    if isinstance(error, httpx.TransportError):
        return Failure("connection", f"{type(error).__name__}: {error}", again=True)
    return Failure("connection", f"{type(error).__name__}: {error}", fatal=True)


def json_of(response: httpx.Response) -> Any:
    """The JSON of an answer; Failure for a status that is none of success."""
    if not response.is_success:
        raise failure_of_status(response.status_code, response.headers, response.text)
    return response.json()


def failure_of_status(status: int, headers: Mapping[str, str], body: str) -> Failure:
    """The failure that an HTTP status means, with what the server says of it."""
    words = " ".join(body.split())
    again = status in _AGAIN or status >= 500
    if not 400 <= status < 600:
        return Failure("broken_answer", f"status {status}: {words}", again=200 <= status < 300, fatal=status >= 300)
    wait = retry_after(headers) if again else None
    return Failure(f"status_{status}", words, again=again, fatal=status in _FATAL, retry_after=wait)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds that a server asks to wait, given as `Retry-After` in seconds or as a date; None where it does not.

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
    """The failure of an answer that came, but is not what this kind of server answers."""
    return Failure("broken_answer", f"{what}: {seen}", again=True)
