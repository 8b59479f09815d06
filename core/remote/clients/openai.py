"""Send requests to the chat of OpenAI's API, as vLLM, llama.cpp, Ollama, TGI and many other servers offer it."""

from __future__ import annotations

from typing import Final

from core.remote.answer import COMPLETE, LENGTH, Answer, Request
from core.remote.clients.client import Secret, finish
from core.remote.config import RemoteConfig
from core.remote.http import broken, connection, guarded, json_of

_FINISH: Final = {"stop": COMPLETE, "length": LENGTH}


class OpenAIClient:
    """A client of `URL/chat/completions`; the server's documentation says how the URL ends, mostly in `/v1`."""

    def __init__(self, url: str, key: str, config: RemoteConfig) -> None:
        self.server = f"openai {url}"
        self._url = f"{url}/chat/completions"
        self._secret = Secret(key)
        self._connection = connection(config)

    def send(self, request: Request) -> Answer:
        return guarded(self._secret, lambda: self._send(request))

    def _send(self, request: Request) -> Answer:
        headers = {"authorization": f"Bearer {self._secret.reveal()}"} if self._secret else {}
        found = json_of(self._connection.post(self._url, json=request.body, headers=headers))
        choice = found["choices"][0]
        text = choice["message"]["content"]
        if text is None and choice["message"].get("refusal"):
            text = choice["message"]["refusal"]
        if not isinstance(text, str):
            raise broken("an answer without text", found)
        usage = found.get("usage") or {}
        return Answer(
            text,
            finish(_FINISH, choice.get("finish_reason")),
            str(found.get("model") or request.body["model"]),
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
        )

    def close(self) -> None:
        self._connection.close()
