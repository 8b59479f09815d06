"""The sources of a run, opened: their stores, their indexes, the mixture of them, and what stands out about them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from core.errors import ConfigError, UnknownNameError
from core.paths import as_path, is_remote
from core.progress import Progress
from finetune.data.config import DataConfig, SourceConfig
from finetune.data.conversation import Rendering
from finetune.data.example_index import TRAINED, ExampleIndex, Group, Purpose, Selection, Use
from finetune.data.mixture import GroupName, Mixture
from finetune.data.shuffle import key_of
from finetune.data.spans import longest
from finetune.data.special_ids import Vocabulary
from finetune.data.token_store import ExampleStore, shared_tokenizer

# Part of the fingerprint: raised when the same configuration comes to give other examples.
ORDER: Final = 1


@dataclass(frozen=True)
class Corpus:
    """Everything that the examples of a run are taken from."""

    config: DataConfig
    vocabulary: Vocabulary
    stores: Mapping[str, ExampleStore]  # by label of the source
    indexes: Mapping[tuple[str, Use], ExampleIndex]

    @classmethod
    def open(cls, config: DataConfig, vocabulary: Vocabulary, progress: Progress | None = None) -> Corpus:
        """Opens all sources, and lays out those that were not used before.

        Raises:
            ConfigError, UnknownNameError: the configuration asks for what is not there.
            SourceError: a path holds no token shards.
        """
        if not config.sources:
            raise ConfigError("data.sources is empty: expected at least one [[data.sources]] with a path")
        if is_remote(config.cache):
            raise ConfigError(f"data.cache is {config.cache}: expected a folder of this machine, which can be mapped")
        cache = Path(config.cache) if config.cache else None
        opened: dict[str, ExampleStore] = {}
        stores: dict[str, ExampleStore] = {}
        for source in config.sources:
            if source.path not in opened:
                opened[source.path] = ExampleStore.open(as_path(source.path), cache, progress)
            stores[source.label] = opened[source.path]
            _check_rows(source, stores[source.label])
        shared_tokenizer(iter(stores.items()), vocabulary.sha256)
        corpus = cls(config, vocabulary, stores, dict(_indexes(config, vocabulary, stores)))
        corpus.mixture  # noqa: B018 - what is wrong with it is told now
        return corpus

    @cached_property
    def rendering(self) -> Rendering:
        return Rendering(self.vocabulary, self.config.inputs, self.config.targets)

    @cached_property
    def longest_text(self) -> int:
        """Ids of the longest text that is corrupted in one piece."""
        return longest(self.config.inputs, self.config.targets, self.config.spans, len(self.vocabulary.sentinels))

    def groups(self, purpose: Purpose) -> Iterator[tuple[GroupName, Group]]:
        """The groups of all sources for a purpose, whatever languages are asked for."""
        for (label, use), index in self.indexes.items():
            for group in index.groups:
                if group.purpose == purpose:
                    yield GroupName(label, group.dataset, group.language, use), group

    @cached_property
    def mixture(self) -> Mixture:
        return Mixture.of(self.config, {name: group.size for name, group in self.groups("train")})

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits: what decides which example comes when. Not the rows of a step, nor the number of hosts."""
        config = dataclasses.asdict(self.config)
        for name in ("sources", "rows", "prefetch", "cache", "validation"):
            del config[name]
        values = {
            "order": ORDER,
            "config": config,
            "stores": {label: store.identity for label, store in self.stores.items()},
            "sources": [source.label for source in self.config.sources],
            "vocabulary": dataclasses.asdict(self.vocabulary),
            "groups": [[*name, group.size] for name, group in self.groups("train")],
            "shares": self.mixture.shares.tolist(),
        }
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        return f"{key_of('first', text):016x}{key_of('second', text):016x}"

    def notes(self) -> list[str]:
        """Sentences on what was left out."""
        out = []
        for (label, _), index in self.indexes.items():
            out += [f"{label}: {count:,} {what} were left out" for what, count in index.left_out.items() if count]
        by_reason: dict[str, list[str]] = {}
        for code, reason in sorted(self.untrained.items()):
            by_reason.setdefault(reason, []).append(code)
        return out + [f"not trained on: {', '.join(codes)}: {reason}" for reason, codes in by_reason.items()]

    @cached_property
    def untrained(self) -> dict[str, str]:
        """Languages that have rows and are wanted, but give no training example; each with the reason."""
        splits: dict[str, set[str]] = {}
        for source in self.config.sources:
            for kind in self.stores[source.label].kinds:
                if not source.of or kind.source in source.of:
                    splits.setdefault(kind.language, set()).add(kind.split)
        there = {name.language for name, _ in self.groups("train")}
        trained = {name.language for name in self.mixture.groups}
        wanted = set(self.config.languages or splits)
        return {
            code: _why(found, code in there) for code, found in splits.items() if code in wanted and code not in trained
        }


def _why(splits: Set[str], has_examples: bool) -> str:
    """Why a language with rows of these splits is not trained on."""
    if has_examples:
        return "their data sets have a share of 0"
    if splits & TRAINED:
        return "none of their rows makes a training example"
    return f"all their rows are of split {' or '.join(sorted(splits))}"


def _check_rows(source: SourceConfig, store: ExampleStore) -> None:
    there = {kind.source for kind in store.kinds}
    for name in source.of:
        if name not in there:
            advice = f"see `of` of data.sources {source.label!r}; there are {', '.join(sorted(there)[:9])}"
            raise UnknownNameError("source", name, there, advice)


def _indexes(
    config: DataConfig, vocabulary: Vocabulary, stores: Mapping[str, ExampleStore]
) -> Iterator[tuple[tuple[str, Use], ExampleIndex]]:
    kinds = {kind for store in stores.values() for kind in store.kinds}
    with_validation = {kind.language for kind in kinds if kind.split == "validation"}
    without = tuple(sorted({kind.language for kind in kinds} - with_validation))
    held = config.validation.hold_out
    for source in config.sources:
        share = config.spans_share(source)
        uses: list[Use] = [*(["answers"] if share < 1 else []), *(["spans"] if share > 0 else [])]  # type: ignore[list-item]
        for use in uses:
            selection = Selection(
                use,
                source.of,
                use == "spans" or config.all_turns,
                longest(config.inputs, config.targets, config.spans, len(vocabulary.sentinels))
                if use == "spans"
                else 0,
                held,
                without if held else (),
            )
            yield (source.label, use), ExampleIndex.open(stores[source.label], selection)
