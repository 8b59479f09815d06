"""Keep all pairs of a run in memory: each text once, which texts count as the same, and which pairs are held out.

A pair is for validation if its split says so, or if the hash of its document falls in `data.validation.hold_out`. The
hash is of the document, so that no document is on both sides. Training pairs that share a text with a validation pair
are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from finetune.data.config import DataConfig
from finetune.data.mixture import GroupName
from finetune.data.shuffle import key_of
from finetune.heads.config import PairSource
from finetune.heads.pairs import VALIDATION, PairReader, TextPair

Numbers = npt.NDArray[np.int32]
TWICE, SHARED = "there twice", "share a text with a validation pair"


class Indexed(NamedTuple):
    """A pair, as the numbers of its texts."""

    query: int
    document: int
    group: int  # in PairStore.groups
    negatives: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PairStore:
    """The pairs of a run. Texts and pairs are identified by their numbers."""

    texts: Sequence[str]
    keys_T: Numbers  # texts with equal keys count as the same
    languages_T: Sequence[str]
    groups: Sequence[GroupName]  # language is the query's; pairs of one group have the same probability
    train: Sequence[Indexed]
    validation: Mapping[str, Sequence[Indexed]]  # by the query's language
    left_out: Mapping[str, Mapping[str, int]]  # by source and reason
    fingerprint: str

    @classmethod
    def read(cls, sources: Sequence[PairSource], config: DataConfig) -> PairStore:
        """Read all sources; raise SourceError if one cannot be read, ConfigError if no pair is left to train on."""
        builder = _Builder()
        left_out: dict[str, Counter[str]] = {}
        for source in sources:
            reader = PairReader(source)
            for pair in reader:
                if config.languages and pair.query_language not in config.languages:
                    reader.left_out["of other languages"] += 1
                elif not builder.add(source, pair):
                    reader.left_out[TWICE] += 1
            left_out[source.label] = reader.left_out
        return builder.build(config, left_out)

    def notes(self) -> list[str]:
        """Return sentences on the pairs that are left out."""
        return [
            f"{label}: {count:,} pairs {reason} are left out"
            for label, counts in self.left_out.items()
            for reason, count in sorted(counts.items())
            if count
        ]


class _Builder:
    """A builder that numbers texts and pairs in the order of reading."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._languages: list[str] = []
        self._ids: dict[int, str] = {}
        self._groups: dict[GroupName, int] = {}
        self._pairs: dict[tuple[int, int], tuple[Indexed, str]] = {}

    def add(self, source: PairSource, pair: TextPair) -> bool:
        """Add a pair; return False for a duplicate."""
        label = source.label
        query = self._text(pair.query, pair.query_language)
        document = self._text(pair.document, pair.document_language)
        if (query, document) in self._pairs:
            return False
        if pair.document_id:
            for text in (document, query) if source.swaps else (document,):
                self._ids.setdefault(text, f"{label}\x1f{pair.document_id}")
        negatives = tuple(self._text(text, pair.document_language) for text in pair.negatives)
        name = GroupName(label, pair.document_language, pair.query_language, "answers")
        group = self._groups.setdefault(name, len(self._groups))
        self._pairs[query, document] = (Indexed(query, document, group, negatives), pair.split)
        return True

    def _text(self, text: str, language: str) -> int:
        number = self._texts.setdefault(text, len(self._texts))
        if number == len(self._languages):
            self._languages.append(language)
        return number

    def build(self, config: DataConfig, left_out: dict[str, Counter[str]]) -> PairStore:
        texts = list(self._texts)
        names = [self._ids.get(number, text) for number, text in enumerate(texts)]
        known: dict[str, int] = {}
        keys = np.array([known.setdefault(name, len(known)) for name in names], np.int32)
        groups = list(self._groups)
        held = [self._is_held(pair, split, names, config) for pair, split in self._pairs.values()]
        pairs = [pair for pair, _ in self._pairs.values()]
        validation = _by_language(pairs, held, groups, names, config.validation.examples)
        # Includes pairs that are held out but not measured: another run may measure them.
        seen = {int(keys[text]) for pair, is_held in zip(pairs, held, strict=True) if is_held for text in pair[:2]}
        train = []
        for pair, is_held in zip(pairs, held, strict=True):
            if is_held:
                continue
            if int(keys[pair.query]) in seen or int(keys[pair.document]) in seen:
                left_out[groups[pair.group].source][SHARED] += 1
            else:
                train.append(pair)
        if not train:
            raise ConfigError("head.pairs: no pair is left to train on; what was left out: " + _counts(left_out))
        print_of = key_of(*(f"{pair.query} {pair.document} {pair.negatives}" for pair in train), *texts)
        plain = {label: dict(counts) for label, counts in left_out.items()}  # for the manifest
        return PairStore(texts, keys, self._languages, groups, train, validation, plain, f"{print_of:016x}")

    @staticmethod
    def _is_held(pair: Indexed, split: str, names: Sequence[str], config: DataConfig) -> bool:
        if split == VALIDATION:
            return True
        share = config.validation.hold_out
        return bool(share) and key_of("held out", names[pair.document]) < share * 2.0**64


def _by_language(
    pairs: Sequence[Indexed], held: Iterable[bool], groups: Sequence[GroupName], names: Sequence[str], most: int
) -> dict[str, list[Indexed]]:
    """Return the held-out pairs of each language with the smallest hashes, up to `most`, each document once."""
    by_name: dict[str, dict[str, tuple[int, Indexed]]] = {}
    for pair, is_held in zip(pairs, held, strict=True):
        if is_held and most:
            name = names[pair.document]
            of_language = by_name.setdefault(groups[pair.group].language, {})
            of_language.setdefault(name, (key_of("validation", name), pair))
    chosen = {code: sorted(entries.values(), key=lambda entry: entry[0]) for code, entries in by_name.items()}
    return {code: [pair for _, pair in chosen[code][:most]] for code in sorted(chosen)}


def _counts(left_out: Mapping[str, Mapping[str, int]]) -> str:
    counted = [f"{count:,} {reason}" for counts in left_out.values() for reason, count in counts.items() if count]
    return ", ".join(counted) or "nothing, the sources are empty"
