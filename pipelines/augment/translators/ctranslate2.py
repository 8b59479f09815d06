"""Models converted to CTranslate2: NLLB, M2M100, MADLAD, OPUS, each with its way to say which language is which.

    family      the source line becomes                     its translation begins with
    nllb        `eng_Latn` pieces `</s>`                    `spa_Latn`
    m2m100      `__en__` pieces `</s>`                      `__es__`
    madlad      `<2es>` pieces `</s>`
    opus        `>>spa<<` pieces `</s>`, the mark only where the model has several targets
    characters  its characters, for a model without SentencePiece

The folder holds `model.bin` with its vocabulary and, but for the last family, the SentencePiece model that it was
trained with: `sentencepiece.bpe.model`, `spiece.model` and the like, or `source.spm` with `target.spm`.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from collection.languages import Language, resolve, table
from collection.reject import Reason
from core import files
from core.errors import ConfigError, MissingDependencyError, SourceError, UserError
from core.remote import RemoteJob
from pipelines.augment.translators.base import Outcome, Translated, Translator, Untranslated
from pipelines.augment.translators.config import CTranslate2Config, EngineConfig

_PIECES: Final = (
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spiece.model",
    "spm.model",
    "flores200_sacrebleu_tokenizer_spm.model",
)
_END: Final = "</s>"
_UNKNOWN: Final = ("<unk>", "⁇", "�")


class CTranslate2(Translator):
    """See the module. SourceError for a folder that holds no such model, ConfigError where its family is not known."""

    placeholder = "({})"  # digits in brackets: what these models copy most faithfully, and every vocabulary has

    @classmethod
    def opened(cls, argument: str, engines: EngineConfig, job: RemoteJob | None) -> Iterator[Translator]:
        yield cls(argument, engines.ctranslate2)

    def __init__(self, path: str, config: CTranslate2Config) -> None:
        self._folder, self._config = Path(path).expanduser(), config
        self._vocabulary = _vocabulary(self._folder)
        self._family = config.family if config.family != "auto" else family_of(self._folder, self._vocabulary)
        self._pair = _pair(config) if self._family in ("opus", "characters") else None
        self._adds_end = bool(_settings(self._folder).get("add_source_eos"))
        self._encoder, self._decoder = _pieces(self._folder, self._family)
        changed = (self._folder / "model.bin").stat().st_mtime_ns
        self._engine, self._version = _engine(str(self._folder), config, changed)
        self._hash = _hash(str(self._folder), changed)

    def generator(self, source: Language, target: Language) -> str | None:
        if self._pair is not None:
            fits = self._pair[0] == source and (self._pair[1] is None or self._pair[1] == target)
            if not fits or (self._pair[1] is None and self._mark(target) is None):
                return None
        elif self._mark(target) is None or (self._family != "madlad" and self._mark(source) is None):
            return None
        return self.signature([target])

    def signature(self, targets: Sequence[Language]) -> str:
        return f"ctranslate2 {self._version} {self._family} {self._folder.name} {self._hash}"

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> list[Outcome]:
        tokens = [self.tokens(line, source, target) for line in lines]
        prefix = self._prefix(target)
        try:
            # It sorts by length by itself, within what it is given at once.
            found = self._engine.translate_batch(
                tokens,
                target_prefix=[prefix] * len(tokens) if prefix else None,
                beam_size=self._config.beam_size,
                max_batch_size=self._config.batch_tokens,
                batch_type="tokens",
                max_decoding_length=self._config.max_tokens,
                no_repeat_ngram_size=self._config.no_repeat_ngram,
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(f"CTranslate2 cannot translate with {self._folder}: {error}") from error
        return [self._outcome(one.hypotheses[0], len(prefix)) for one in found]

    def tokens(self, line: str, source: Language, target: Language) -> list[str]:
        """A line as the model wants it: its pieces, with the marks of the languages."""
        pieces = self._encoder.encode(line, out_type=str) if self._encoder else list(line)
        end = [] if self._adds_end or self._family == "characters" else [_END]
        begin = {
            "nllb": [self._mark(source)],
            "m2m100": [self._mark(source)],
            "madlad": [self._mark(target)],
            "opus": [self._mark(target)],
        }.get(self._family, [])
        return [mark for mark in begin if mark] + pieces + end

    def _prefix(self, target: Language) -> list[str]:
        mark = self._mark(target) if self._family in ("nllb", "m2m100") else None
        return [mark] if mark else []

    def _outcome(self, tokens: Sequence[str], prefix: int) -> Outcome:
        pieces = [token for token in tokens[prefix:] if token != _END]
        if len(pieces) >= self._config.max_tokens:
            return Untranslated(Reason.NOT_TRANSLATED, f"its translation has no end within {len(pieces)} tokens")
        text = self._decoder.decode(pieces) if self._decoder else "".join(pieces)
        return Translated(text, sum(text.count(mark) for mark in _UNKNOWN))

    @functools.cache  # noqa: B019 - lives as long as the model
    def _mark(self, language: Language) -> str | None:
        """The token that names a language in this model's vocabulary, None where it has none."""
        forms = {"nllb": "{}", "m2m100": "__{}__", "madlad": "<2{}>", "opus": ">>{}<<"}
        form = forms.get(self._family)
        if form is None:
            return None
        return next((mark for name in names_of(language) if (mark := form.format(name)) in self._vocabulary), None)


def names_of(language: Language) -> list[str]:
    """What models may call a language, the most exact first; a bare code only for the usual script of a language."""
    tag = language.tag
    exact = [language.code, tag, tag.replace("-", "_")]
    if not language.is_default_variety:
        return exact
    # A macrolanguage stands for one of its varieties alone where the table has no other in that script.
    macro = language.macrolanguage
    siblings = [one for one in table().values() if macro and one.macrolanguage == macro and one.code != language.code]
    wide = [macro, f"{macro}_{language.code[4:]}"] if macro and not siblings else []
    short = [alias for alias in language.aliases if alias == alias.lower() and alias.isascii() and " " not in alias]
    return list(dict.fromkeys([*exact, tag.split("-")[0], language.iso639_3, *wide, *short]))


def family_of(folder: Path, vocabulary: frozenset[str]) -> str:
    """Which family a model is of, by the marks in its vocabulary; ConfigError where they tell nothing."""
    for family, mark in (("nllb", "eng_Latn"), ("m2m100", "__en__"), ("madlad", "<2en>")):
        if mark in vocabulary:
            return family
    if any(token.startswith(">>") and token.endswith("<<") for token in vocabulary) or (folder / "source.spm").exists():
        return "opus"
    if all(len(token) == 1 or (token.startswith("<") and token.endswith(">")) for token in vocabulary):
        return "characters"
    raise ConfigError(
        f"{folder}: its vocabulary tells no family: expected ctranslate2.family = nllb, m2m100, madlad, opus or "
        "characters"
    )


def _pair(config: CTranslate2Config) -> tuple[Language, Language | None]:
    if not config.source:
        raise ConfigError(
            "this model is for one source language and does not say which: give ctranslate2.source, and "
            "ctranslate2.target where it has one target, such as --set ctranslate2.source=eng_Latn"
        )
    return resolve(config.source), resolve(config.target) if config.target else None


def _vocabulary(folder: Path) -> frozenset[str]:
    """All tokens of a model's vocabularies."""
    if not (folder / "model.bin").is_file():
        raise SourceError(f"{folder} holds no model of CTranslate2: expected model.bin with its vocabulary")
    tokens: set[str] = set()
    for path in sorted(folder.glob("*vocabulary.*")):
        text = path.read_text("utf-8")
        tokens.update(json.loads(text) if path.suffix == ".json" else text.splitlines())
    if not tokens:
        raise SourceError(f"{folder} holds no vocabulary beside model.bin: expected shared_vocabulary.json or .txt")
    return frozenset(tokens)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    values: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return values


def _pieces(folder: Path, family: str) -> tuple[Any, Any]:
    """What cuts a line into pieces, and what puts pieces together."""
    if family == "characters":
        return None, None
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise MissingDependencyError("sentencepiece", "augment", "translating with CTranslate2") from error
    both = (folder / "source.spm", folder / "target.spm")
    found = [next((folder / name for name in _PIECES if (folder / name).is_file()), None)] * 2
    paths = both if all(path.is_file() for path in both) else found
    if paths[0] is None or paths[1] is None:
        raise SourceError(f"{folder} holds no SentencePiece model: expected one of {', '.join(_PIECES)}, or source.spm")
    encoder, decoder = (SentencePieceProcessor(model_file=str(path)) for path in paths)
    return encoder, decoder


@functools.lru_cache(maxsize=2)
def _engine(folder: str, config: CTranslate2Config, changed: int) -> tuple[Any, str]:
    """The model, loaded once a process unless its file has `changed`, and the version of the library."""
    try:
        import ctranslate2
    except ImportError as error:
        raise MissingDependencyError("ctranslate2", "augment", "translating with CTranslate2") from error
    threads = config.threads or os.cpu_count() or 1
    try:
        # One thread for each of several batches at once does more than several for one.
        engine = ctranslate2.Translator(
            folder,
            device=config.device,
            compute_type=config.compute_type,
            inter_threads=threads,
            intra_threads=1,
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(f"CTranslate2 cannot load {folder}: {error}") from error
    return engine, str(ctranslate2.__version__)


@functools.lru_cache(maxsize=4)
def _hash(folder: str, changed: int) -> str:
    """16 hex digits over the files that decide about a translation."""
    import xxhash

    digest = xxhash.xxh3_64()
    for path in sorted(
        itertools.chain(
            Path(folder).glob("*.bin"),
            Path(folder).glob("*vocab*"),
            Path(folder).glob("*.spm"),
            Path(folder).glob("*.model"),
        )
    ):
        digest.update(f"{path.name}\0{files.content_hash(path)}\n".encode())
    return digest.hexdigest()
