"""Send requests to Cohere's v2 chat through the official SDK, without the retries of the SDK."""

from __future__ import annotations

from typing import Any, Final

import cohere
from cohere.core.api_error import ApiError
from cohere.core.parse_error import ParsingError

from core.remote.answer import COMPLETE, LENGTH, Answer, Failure, Request
from core.remote.clients.client import Secret, finish
from core.remote.config import RemoteConfig
from core.remote.http import broken, connection, failure_of_status, guarded

_FINISH: Final = {"COMPLETE": COMPLETE, "STOP_SEQUENCE": COMPLETE, "MAX_TOKENS": LENGTH}
# The server gave up; a retry may succeed.
_GAVE_UP: Final = frozenset({"ERROR", "TIMEOUT"})
_NAMED: Final = ("model", "messages", "max_tokens")


class CohereClient:
    """A client of a server with Cohere's v2 chat: Cohere's own, a private deployment, `glotmill serve`."""

    def __init__(self, url: str, key: str, config: RemoteConfig) -> None:
        self.server = f"cohere {url}"
        self._secret = Secret(key)
        self._connection = connection(config)
        self._client = cohere.ClientV2(
            api_key=key,  # with "" no header is sent; with None the SDK would look for a key of its own
            base_url=url,
            httpx_client=self._connection,
            timeout=config.timeout,
            max_retries=0,
            log_warning_experimental_features=False,
        )

    def send(self, request: Request) -> Answer:
        return guarded(self._secret, lambda: self._send(request))

    def _send(self, request: Request) -> Answer:
        named = {name: request.body[name] for name in _NAMED}
        others = {name: value for name, value in request.body.items() if name not in _NAMED}
        try:
            found = self._client.chat(**named, request_options={"max_retries": 0, "additional_body_parameters": others})
        except (ApiError, ParsingError) as error:
            body = error.body if isinstance(error.body, str) else str(_message(error.body))
            raise failure_of_status(error.status_code or 0, error.headers or {}, body) from None
        if found.finish_reason in _GAVE_UP:
            raise Failure("broken_answer", f"finish_reason {found.finish_reason}", again=True)
        blocks = found.message.content
        if not isinstance(blocks, list):
            raise broken("an answer without content", found.message)
        # A reasoning model's thoughts are blocks of their own kind, and no part of the answer.
        text = "".join([block.text for block in blocks if block.type == "text"])
        usage = found.usage
        counts = (usage.billed_units or usage.tokens) if usage else None
        return Answer(
            text,
            finish(_FINISH, found.finish_reason),
            str(request.body["model"]),
            int(getattr(counts, "input_tokens", None) or 0),
            int(getattr(counts, "output_tokens", None) or 0),
        )

    def close(self) -> None:
        self._connection.close()


def _message(body: Any) -> Any:
    return body.get("message", body) if isinstance(body, dict) else body
