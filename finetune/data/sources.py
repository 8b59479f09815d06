"""Open the sources of a run: map their token shards, list their examples, mix them, and note what is left out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from core.errors import ConfigError, UnknownNameError
from core.paths import as_path
from finetune.data.config import DataConfig, SourceConfig
from finetune.data.conversation import AnswerExamples
from finetune.data.example_index import TRAINED, ExampleGroup, ExampleIndex, Purpose, RowSelection
from finetune.data.examples import Use
from finetune.data.mixture import GroupName, Mixture
from finetune.data.shuffle import key_of
from finetune.data.spans import SpanExamples, longest_text
from finetune.data.special_ids import SpecialIds
from finetune.data.token_store import TokenStore, check_tokenizer

# Part of the fingerprint: raised when the same configuration comes to give other examples.
ORDER: Final = 1


@dataclass(frozen=True)
class DataSources:
    """All sources of a run: what its examples are taken from."""

    config: DataConfig
    special_ids: SpecialIds
    stores: Mapping[str, TokenStore]  # by label of the source
    indexes: Mapping[tuple[str, Use], ExampleIndex]  # by label and use

    @classmethod
    def open(cls, config: DataConfig, special_ids: SpecialIds) -> DataSources:
        """Map the token shards of all sources, and list their examples.

        Raises:
            ConfigError, UnknownNameError: the configuration names something that is missing.
            SourceError: a path holds no token shards, or damaged ones.
        """
        if not config.sources:
            raise ConfigError("data.sources is empty: expected at least one [[data.sources]] with a path")
        opened: dict[str, TokenStore] = {}
        stores: dict[str, TokenStore] = {}
        for source in config.sources:
            if source.path not in opened:
                opened[source.path] = TokenStore.open(as_path(source.path))
            stores[source.label] = opened[source.path]
            _check_rows(source, stores[source.label])
            check_tokenizer(source.label, stores[source.label], special_ids.sha256)
        sources = cls(config, special_ids, stores, dict(_indexes(config, special_ids, stores)))
        sources.mixture  # noqa: B018 - raises its errors now
        return sources

    def groups(self, purpose: Purpose) -> Iterator[tuple[GroupName, ExampleGroup]]:
        """Yield the groups of all sources for a purpose, in all languages."""
        for (label, use), index in self.indexes.items():
            for group in index.groups:
                if group.purpose == purpose:
                    yield GroupName(label, group.dataset, group.language, use), group

    @cached_property
    def mixture(self) -> Mixture:
        return Mixture.of(self.config, {name: group.size for name, group in self.groups("train")})

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits of all that decides which example comes when. Rows of a step and number of hosts do not."""
        config = dataclasses.asdict(self.config)
        for name in ("sources", "rows", "prefetch", "validation"):
            del config[name]
        values = {
            "order": ORDER,
            "config": config,
            "stores": {label: store.identity for label, store in self.stores.items()},
            "sources": [source.label for source in self.config.sources],
            "vocabulary": dataclasses.asdict(self.special_ids),
            "groups": [[*name, group.size] for name, group in self.groups("train")],
            "shares": self.mixture.shares.tolist(),
        }
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        return f"{key_of('first', text):016x}{key_of('second', text):016x}"

    def notes(self) -> list[str]:
        """Return sentences on what was left out."""
        out = []
        for (label, _), index in self.indexes.items():
            out += [f"{label}: {count:,} {reason} were left out" for reason, count in index.left_out.items() if count]
        by_reason: dict[str, list[str]] = {}
        for code, reason in sorted(self.untrained.items()):
            by_reason.setdefault(reason, []).append(code)
        return out + [f"not trained on: {', '.join(codes)}: {reason}" for reason, codes in by_reason.items()]

    @cached_property
    def untrained(self) -> dict[str, str]:
        """Wanted languages that have rows but give no training example, each with the reason."""
        splits: dict[str, set[str]] = {}
        for source in self.config.sources:
            for kind in self.stores[source.label].kinds:
                if not source.of or kind.source in source.of:
                    splits.setdefault(kind.language, set()).add(kind.split)
        with_examples = {name.language for name, _ in self.groups("train")}
        trained = {name.language for name in self.mixture.groups}
        wanted = set(self.config.languages or splits)
        return {
            code: _why_untrained(own, code in with_examples)
            for code, own in splits.items()
            if code in wanted and code not in trained
        }


def _why_untrained(splits: Set[str], has_examples: bool) -> str:
    """Return why a language with rows of these splits is not trained on."""
    if has_examples:
        return "their data sets have a share of 0"
    if splits & TRAINED:
        return "none of their rows makes a training example"
    return f"all their rows are of split {' or '.join(sorted(splits))}"


def _check_rows(source: SourceConfig, store: TokenStore) -> None:
    """Raise an UnknownNameError if `of` names a source without rows."""
    known = {kind.source for kind in store.kinds}
    for name in source.of:
        if name not in known:
            advice = f"see `of` of data.sources {source.label!r}; there are {', '.join(sorted(known)[:9])}"
            raise UnknownNameError("source", name, known, advice)


def _indexes(
    config: DataConfig, special_ids: SpecialIds, stores: Mapping[str, TokenStore]
) -> Iterator[tuple[tuple[str, Use], ExampleIndex]]:
    kinds = {kind for store in stores.values() for kind in store.kinds}
    with_validation = {kind.language for kind in kinds if kind.split == "validation"}
    without = tuple(sorted({kind.language for kind in kinds} - with_validation))
    hold_out = config.validation.hold_out
    for source in config.sources:
        selection = RowSelection(source.of, hold_out, without if hold_out else ())
        share = config.spans_share(source)
        if share < 1:
            answers = AnswerExamples(special_ids, config.inputs, config.targets, config.all_turns)
            yield (source.label, "answers"), ExampleIndex.of(stores[source.label], answers, selection)
        if share > 0:
            longest = longest_text(config.inputs, config.targets, config.spans, len(special_ids.sentinels))
            spans = SpanExamples(special_ids, config.spans, longest)
            yield (source.label, "spans"), ExampleIndex.of(stores[source.label], spans, selection)
