"""How fair tokenizers are: tokens by language, what falls to bytes, and parity with English on parallel sentences."""

from __future__ import annotations

import itertools
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from collection import labelled
from collection.languages import Language, find
from core.errors import MissingDependencyError, SourceError
from tokenizer import model_file, parallel
from tokenizer.parallel import ENGLISH
from tokenizer.vocabulary import ABOUT, Tokenizer

_BYTE: Final = re.compile(r"<0x[0-9A-F]{2}>")
_BATCH: Final = 1_000


@dataclass(frozen=True)
class Judged:
    """A tokenizer of any kind, by what the report asks of it. `units` are ids that are bytes, `unknown` that of unk."""

    name: str
    size: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    units: frozenset[int]
    unknown: int | None


@dataclass(frozen=True)
class Texts:
    """Texts of each language by a key. `alone` says why they are not parallel; it is empty where they are."""

    rows: Mapping[str, Mapping[str, str]]
    alone: str = ""


@dataclass(frozen=True)
class LanguageFigures:
    """One language under one tokenizer. `words` is 0 where writing sets none apart; `parity` None without English."""

    code: str
    texts: int
    words: int
    bytes: int
    tokens: int
    byte_tokens: int
    unknown_tokens: int
    parity: float | None

    @property
    def tokens_per_word(self) -> float | None:
        return self.tokens / self.words if self.words else None

    @property
    def tokens_per_byte(self) -> float:
        return self.tokens / self.bytes if self.bytes else 0.0

    @property
    def byte_share(self) -> float:
        return self.byte_tokens / self.tokens if self.tokens else 0.0

    @property
    def unknown_share(self) -> float:
        return self.unknown_tokens / self.tokens if self.tokens else 0.0

    @property
    def language(self) -> Language | None:
        return find(self.code)

    def to_json(self) -> dict[str, Any]:
        language = self.language
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("code", "parity")},
            "tokens_per_word": _rounded(self.tokens_per_word),
            "tokens_per_byte": round(self.tokens_per_byte, 4),
            "byte_share": round(self.byte_share, 6),
            "unknown_share": round(self.unknown_share, 6),
            "parity": _rounded(self.parity),
            "name": language.name if language else self.code,
            "script": self.code[4:],
            "resource": language.resource if language else None,
        }


@dataclass(frozen=True)
class TokenizerReport:
    """One tokenizer on one set of texts."""

    tokenizer: str
    size: int
    figures: Sequence[LanguageFigures] = field(default_factory=tuple)

    @property
    def worst(self) -> list[LanguageFigures]:
        """The dearest first: by parity, or by tokens a byte where there is none."""
        return sorted(self.figures, key=lambda one: (-(one.parity or 0.0), -one.tokens_per_byte, one.code))

    @property
    def parities(self) -> list[float]:
        return [one.parity for one in self.figures if one.parity is not None]

    def by(self, group: Callable[[LanguageFigures], str]) -> dict[str, dict[str, Any]]:
        """Means over the languages of each group."""
        members: dict[str, list[LanguageFigures]] = {}
        for one in self.figures:
            members.setdefault(group(one), []).append(one)
        return {name: _summary(members[name]) for name in sorted(members)}

    def to_json(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer,
            "vocabulary": self.size,
            **_summary(self.figures),
            "worst": [one.code for one in self.worst[:10]],
            "scripts": self.by(lambda one: one.code[4:]),
            "resources": self.by(resource_of),
            "by_language": {one.code: one.to_json() for one in self.figures},
        }


def resource_of(figures: LanguageFigures) -> str:
    """The language's resource class among Aya's languages."""
    language = figures.language
    return (language.resource if language else None) or "outside Aya"


def _summary(figures: Sequence[LanguageFigures]) -> dict[str, Any]:
    parities = [one.parity for one in figures if one.parity is not None]
    tokens = sum(one.tokens for one in figures)
    return {
        "languages": len(figures),
        "mean_parity": _rounded(statistics.fmean(parities)) if parities else None,
        "worst_parity": _rounded(max(parities)) if parities else None,
        "tokens_per_text": _rounded(statistics.fmean(one.tokens / one.texts for one in figures)) if figures else None,
        "tokens_per_byte": _rounded(statistics.fmean(one.tokens_per_byte for one in figures)) if figures else None,
        "byte_share": round(sum(one.byte_tokens for one in figures) / max(tokens, 1), 6),
        "unknown_share": round(sum(one.unknown_tokens for one in figures) / max(tokens, 1), 6),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def read_texts(path: Path, limit: int = 0) -> Texts:
    """The texts of each language, at most `limit` of each (0: all), parallel where they can be.

    A folder that glotmill wrote, and one whose languages differ in their number of lines, is labelled text alone.
    """
    if (path / "manifest.json").exists():
        return _alone(path, limit, f"{path} is a collection, which is not parallel")
    try:
        texts = parallel.read(path)
    except SourceError as error:
        return _alone(path, limit, str(error))
    wanted = set(sorted(texts[ENGLISH])[:limit]) if limit else set(itertools.chain.from_iterable(texts.values()))
    kept = {code: {key: rows[key] for key in sorted(rows.keys() & wanted)} for code, rows in sorted(texts.items())}
    return Texts({code: rows for code, rows in kept.items() if rows})


def _alone(path: Path, limit: int, why: str) -> Texts:
    found = labelled.read(path, limit)
    return Texts({language.code: {str(key): line for key, line in enumerate(lines)} for language, lines in found}, why)


def load(path: Path) -> Judged:
    """A folder that train wrote, a .model or a tokenizer.json; SourceError where it is none of them."""
    if path.is_dir() and not (path / ABOUT).exists():
        for name in ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"):
            if (path / name).exists():
                return load(path / name)
    if path.suffix == ".json":
        return _hugging_face(path)
    tokenizer = Tokenizer.load(path)
    pieces = model_file.read(tokenizer.path).pieces
    units = frozenset(index for index, piece in enumerate(pieces) if piece.type == model_file.BYTE)
    unknown = next((index for index, piece in enumerate(pieces) if piece.type == model_file.UNKNOWN), None)
    return Judged(str(path), tokenizer.size, tokenizer.encode, units, unknown)


def _hugging_face(path: Path) -> Judged:
    try:
        import tokenizers
    except ImportError as error:
        raise MissingDependencyError("tokenizers", "tokenizer", "reading a tokenizer.json") from error
    try:
        model = tokenizers.Tokenizer.from_file(str(path))
        values = json.loads(path.read_text("utf-8"))["model"]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # the library raises nothing narrower
        raise SourceError(f"{path} is no tokenizer of Hugging Face's: {error}") from error
    unknown = values.get("unk_id")
    if unknown is None and values.get("unk_token"):
        unknown = model.token_to_id(values["unk_token"])
    units = frozenset(index for piece, index in model.get_vocab().items() if _BYTE.fullmatch(piece))

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in model.encode_batch_fast(list(texts), add_special_tokens=False)]

    return Judged(str(path), model.get_vocab_size(), encode, units, unknown)


def judge(tokenizer: Judged, texts: Texts) -> TokenizerReport:
    """What a tokenizer makes of the texts; with parity where they are parallel."""
    english: dict[str, int] = {}
    figures = []
    for code in sorted(texts.rows, key=lambda code: (code != ENGLISH, code)):
        keys, lines = list(texts.rows[code]), list(texts.rows[code].values())
        encoded = [
            ids for start in range(0, len(lines), _BATCH) for ids in tokenizer.encode(lines[start : start + _BATCH])
        ]
        lengths = dict(zip(keys, map(len, encoded), strict=True))
        if code == ENGLISH and not texts.alone:
            english = lengths
        shared = english.keys() & lengths.keys()
        there = sum(english[key] for key in shared)
        language = find(code)
        figures.append(
            LanguageFigures(
                code,
                len(lines),
                sum(len(line.split()) for line in lines) if language is None or language.spaced else 0,
                sum(len(line.encode()) for line in lines),
                sum(lengths.values()),
                sum(1 for ids in encoded for one in ids if one in tokenizer.units),
                sum(ids.count(tokenizer.unknown) for ids in encoded) if tokenizer.unknown is not None else 0,
                sum(lengths[key] for key in shared) / there if there else None,
            )
        )
    return TokenizerReport(tokenizer.name, tokenizer.size, sorted(figures, key=lambda one: one.code))
