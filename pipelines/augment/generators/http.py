"""A chat server as a generator."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from core.errors import ConfigError
from core.remote import Answer, Request, Session, make_client
from pipelines.augment.generators.base import GeneratorConfig, Question

_COHERE: Final = ("cohere.com", "cohere.ai")


class HttpGenerator:
    """Asks the server at a URL, within the limits of a session."""

    def __init__(self, url: str, config: GeneratorConfig, session: Session) -> None:
        check(url, config)
        self._config = config
        client = make_client(kind_of(url, config), url, config.account, session.config)
        self._remote = session.remote(client, config.account)
        self.name = config.model

    def answer(self, question: Question) -> Answer:
        return self._remote.ask(request_for(question, self._config))


def request_for(question: Question, config: GeneratorConfig) -> Request:
    """What is sent for a question. The generator's own parameters go before those of the method."""
    parameters = {**question.parameters, **config.parameters}
    return Request.chat(config.model, question.messages, config.max_tokens, parameters)


def check(url: str, config: GeneratorConfig) -> None:
    """ConfigError for a generator without a model, or a server or key that cannot be used."""
    if not config.model:
        raise ConfigError(
            f"no model was named for {url}: expected --generator 'http:{url}#MODEL', or generator.model in the "
            "configuration"
        )
    if config.max_tokens < 1:
        raise ConfigError(f"generator.max_tokens is {config.max_tokens}: expected 1 or more")


def kind_of(url: str, config: GeneratorConfig) -> str:
    """`cohere` or `openai`."""
    host = urlsplit(url).hostname or ""
    own = any(host == name or host.endswith(f".{name}") for name in _COHERE)
    return config.kind or ("cohere" if own else "openai")
