"""Train a tokenizer, and encode a collection with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from collection.manifest import Manifest
from glotmill.api.arguments import ConfigLike, Overrides, PathLike, configured, path_of, paths_of, progress_of
from tokenizer.vocabulary import Tokenizer

__all__ = ["Tokenizer", "encode", "train_tokenizer"]


def train_tokenizer(
    collections: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    vocab_size: int = 0,
    config: ConfigLike = None,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> Tokenizer:
    """Train a SentencePiece tokenizer on finished folders, as `glotmill tokenizer train` does.

    Args:
        collections: folders that `build`, `ingest` or another stage wrote.
        out: the folder to write.
        vocab_size: pieces, special ones included; 0 takes `vocabulary.size` of the configuration.
        config: a TOML file, or its keys and values; docs/configuration.md lists them.
        overrides: values by dotted key, such as `{"sample.rule": "temperature"}`.
        fresh: discard what is in `out`.
        progress: print progress on stderr.

    Raises:
        UserError: a folder, the configuration or `out` cannot be used.
    """
    from tokenizer.train import TokenizerConfig, train

    resolved = configured(TokenizerConfig, config, overrides)
    folders = (*resolved.collections, *(str(path) for path in paths_of(collections)))
    resolved = dataclasses.replace(resolved, collections=folders)
    if vocab_size:
        resolved = dataclasses.replace(resolved, vocabulary=dataclasses.replace(resolved.vocabulary, size=vocab_size))
    train(resolved, path_of(out), fresh=fresh, progress=progress_of(progress))
    return Tokenizer.load(path_of(out))


def encode(
    tokenizer: PathLike,
    collection: PathLike,
    out: PathLike,
    *,
    config: ConfigLike = None,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> Manifest:
    """Write a collection as token ids, for training to read, as `glotmill tokenizer encode` does.

    Args:
        tokenizer: a folder that `train_tokenizer` wrote, or a SentencePiece model.
        collection: a folder of records.
        out: the folder to write. A stopped run is resumed by the same call.
        config: a TOML file, or its keys and values.
        overrides: values by dotted key, such as `{"workers": 2}`.
        fresh: discard what is in `out`.
        progress: print progress on stderr.

    Raises:
        UserError: the tokenizer, the collection or `out` cannot be used.
    """
    from tokenizer.encode import EncodeConfig
    from tokenizer.encode import encode as run

    resolved = configured(EncodeConfig, config, overrides)
    model, records, folder = (path_of(path) for path in (tokenizer, collection, out))
    return run(model, records, folder, resolved, fresh=fresh, progress=progress_of(progress))
