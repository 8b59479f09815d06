"""Servers: LibreTranslate's API, or a chat that is asked to translate, line by line.

Every answer is kept by the content of its question (core/remote), so that neither a retry nor a resume pays twice.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from collection.languages import Language
from collection.reject import Reason
from core.errors import ConfigError, UserError
from core.remote import (
    Budget,
    BudgetSpent,
    Client,
    Failure,
    Remote,
    RemoteConfig,
    RemoteJob,
    Request,
    Session,
    make_client,
)
from core.remote.answer import LENGTH, WHOLE
from core.remote.clients.client import need
from core.remote.config import Prices, checked_url
from pipelines.augment.translators.base import Outcome, Translated, Translator, Untranslated
from pipelines.augment.translators.config import EngineConfig, HttpConfig

_CODE: Final = "Zyyy"


class HttpTranslator(Translator):
    """An engine that asks a server; `http.kind` says which API the server speaks."""

    paid = True
    needs_model: ClassVar[bool] = False

    @classmethod
    def opened(cls, argument: str, engines: EngineConfig, job: RemoteJob | None) -> Iterator[Translator]:
        """Yield the server's engine. Without a job, answers are kept only until it is closed."""
        cls.check(argument, engines)
        with contextlib.ExitStack() as stack:
            if job is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="glotmill-"))
                job = RemoteJob(engines.remote, Budget(), folder, folder)
            session = stack.enter_context(Session(job))
            yield _SERVERS[engines.http.kind](argument, engines.http, session)

    @classmethod
    def check(cls, argument: str, engines: EngineConfig) -> None:
        check(argument, engines.http)

    @classmethod
    def prices(cls, engines: EngineConfig) -> Prices:
        return engines.http.account.usd_per_million

    @classmethod
    def request(
        cls, argument: str, line: str, source: Language, target: Language, engines: EngineConfig
    ) -> Request | None:
        return _SERVERS[engines.http.kind].request_for(line, source, target, engines.http)

    @classmethod
    def request_for(cls, line: str, source: Language, target: Language, config: HttpConfig) -> Request | None:
        """Return the chat request for one line, or None where the server counts no tokens."""
        return None

    def __init__(self, url: str, config: HttpConfig, session: Session) -> None:
        check(url, config)
        self._config, self._session = config, session


class Chat(HttpTranslator):
    """A chat server with a translation prompt: any pair of languages, as well as the model can."""

    needs_model = True
    placeholder = "⟦{}⟧"
    whole_lines = True  # a model understands a sentence better among its neighbours

    @classmethod
    def request_for(cls, line: str, source: Language, target: Language, config: HttpConfig) -> Request | None:
        return chat_request(line, source, target, config)

    def __init__(self, url: str, config: HttpConfig, session: Session) -> None:
        super().__init__(url, config, session)
        self._remote: Remote = session.remote(
            make_client(config.kind, url, config.account, session.config), config.account
        )

    def generator(self, source: Language, target: Language) -> str | None:
        if _CODE in (source.script.code, target.script.code):
            return None
        return f"{self._config.kind} {self._config.model}"

    def signature(self, targets: Sequence[Language]) -> str:
        return f"{self._config.kind} {self._config.model}"

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> list[Outcome]:
        ask = partial(self._line, source=source, target=target)
        return list(self._session.in_order(ask, lines))

    def _line(self, line: str, source: Language, target: Language) -> Outcome:
        try:
            answer = self._remote.ask(chat_request(line, source, target, self._config))
        except Failure as failure:
            return _unanswered(failure)
        if answer.finish_reason == LENGTH:
            return Untranslated(Reason.NOT_TRANSLATED, f"cut at {self._config.max_tokens} tokens")
        if answer.finish_reason not in WHOLE:
            return Untranslated(Reason.NOT_TRANSLATED, f"ended by the server: {answer.finish_reason}")
        text = " ".join(answer.text.split("\n")).strip()
        return Translated(text) if text else Untranslated(Reason.NOT_TRANSLATED, "an empty answer")


def chat_request(line: str, source: Language, target: Language, config: HttpConfig) -> Request:
    """What a chat server is asked for one line."""
    prompt = config.prompt.replace("{source}", source.name).replace("{target}", target.name)
    turns = (("system", prompt), ("user", line))
    # A translation seldom has four times the bytes of its source; a short line's may.
    most = min(config.max_tokens, 64 + 4 * len(line.encode()))
    return Request.chat(config.model, turns, most, {"temperature": config.temperature})


class LibreTranslate(HttpTranslator):
    """A server that speaks LibreTranslate's API: its own list of languages says which pairs there are."""

    placeholder = "({})"

    def __init__(self, url: str, config: HttpConfig, session: Session) -> None:
        super().__init__(url, config, session)
        self._url = checked_url(url)
        self._remote: Remote = session.remote(_post(self._url, config, session.config), config.account)
        self._pairs = _pairs(self._url, session.config)

    def generator(self, source: Language, target: Language) -> str | None:
        codes = self._codes(source, target)
        return f"libretranslate {urlsplit(self._url).netloc} {'-'.join(codes)}" if codes else None

    def signature(self, targets: Sequence[Language]) -> str:
        return f"libretranslate {urlsplit(self._url).netloc}"

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> list[Outcome]:
        codes = self._codes(source, target)
        assert codes is not None
        return list(self._session.in_order(partial(self._line, codes=codes), lines))

    def _line(self, line: str, codes: tuple[str, str]) -> Outcome:
        body = {"q": line, "source": codes[0], "target": codes[1], "format": "text"}
        try:
            return Translated(" ".join(self._remote.ask(Request(body)).text.split("\n")))
        except Failure as failure:
            return _unanswered(failure)

    def _codes(self, source: Language, target: Language) -> tuple[str, str] | None:
        """The server's codes for a pair, None where it has no such pair."""
        for first in _codes_of(source):
            for second in _codes_of(target):
                if second in self._pairs.get(first, ()):
                    return first, second
        return None


_SERVERS: Final[dict[str, type[HttpTranslator]]] = {
    "libretranslate": LibreTranslate,
    "cohere": Chat,
    "openai": Chat,
}


def check(url: str, config: HttpConfig) -> None:
    """ConfigError for what no server can be asked."""
    checked_url(url)
    if _SERVERS[config.kind].needs_model and not config.model:
        raise ConfigError(f"http.kind = {config.kind} needs a model: --set http.model=NAME")


def _post(url: str, config: HttpConfig, remote: RemoteConfig) -> Client:
    need("httpx", "asking a server for translations")
    from core.remote.clients.post import PostClient

    key = _key(config)
    return PostClient(url, "/translate", key, remote, lambda found: str(found["translatedText"]), key_field="api_key")


def _key(config: HttpConfig) -> str:
    name = config.account.api_key_env
    key = os.environ.get(name, "").strip() if name else ""
    if name and not key:
        raise ConfigError(f"the environment variable {name} is not set: expected the server's key in it")
    return key


def _pairs(url: str, config: RemoteConfig) -> Mapping[str, frozenset[str]]:
    """Which languages the server translates into which."""
    import httpx

    try:
        found: Any = httpx.get(f"{url}/languages", timeout=config.timeout).raise_for_status().json()
        return {one["code"]: frozenset(one.get("targets") or (other["code"] for other in found)) for one in found}
    except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{url}/languages gives no list of languages ({type(error).__name__}: {error}): is it a LibreTranslate "
            "server? For a chat server set http.kind and http.model"
        ) from error


def _codes_of(language: Language) -> list[str]:
    script = language.code[4:]
    usual = [language.tag.split("-")[0], language.iso639_3] if language.is_default_variety else []
    also = {"zho_Hant": ["zt"], "nob_Latn": ["no"]}.get(language.code, [])
    return [language.tag, f"{language.tag.split('-')[0]}-{script}", *usual, *also]


def _unanswered(failure: Failure) -> Untranslated:
    reason = Reason.OVER_BUDGET if isinstance(failure, BudgetSpent) else Reason.NOT_TRANSLATED
    return Untranslated(reason, str(failure))
