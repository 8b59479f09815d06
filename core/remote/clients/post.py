"""Send requests to any other server that takes and returns JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.remote.answer import Answer, Request
from core.remote.clients.client import Secret
from core.remote.config import RemoteConfig
from core.remote.http import broken, connection, guarded, json_of


class PostClient:
    """A client that posts the body of a request to `url` + `path`. `read` returns the text in the JSON of the answer.

    If `read` raises a ValueError, TypeError, LookupError or AttributeError, the answer is broken and the request is
    retried. The key goes into the field `key_field` of the body, or without one into a bearer header. It is not part of
    the request, so that no cache holds it.
    """

    def __init__(
        self,
        url: str,
        path: str,
        key: str,
        config: RemoteConfig,
        read: Callable[[Any], str],
        key_field: str = "",
    ) -> None:
        self.server = f"post {url}{path}"
        self._url = f"{url}{path}"
        self._secret, self._key_field, self._read = Secret(key), key_field, read
        self._connection = connection(config)

    def send(self, request: Request) -> Answer:
        return guarded(self._secret, lambda: self._send(request))

    def _send(self, request: Request) -> Answer:
        body: Mapping[str, Any] = request.body
        headers = {}
        if self._secret and self._key_field:
            body = {**body, self._key_field: self._secret.reveal()}
        elif self._secret:
            headers["authorization"] = f"Bearer {self._secret.reveal()}"
        text = self._read(json_of(self._connection.post(self._url, json=body, headers=headers)))
        if not isinstance(text, str):
            raise broken("an answer without text", text)
        return Answer(text)

    def close(self) -> None:
        self._connection.close()
