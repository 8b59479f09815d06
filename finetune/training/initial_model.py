"""Find what a run begins with: the architecture, the tokenizer and, of a checkpoint, the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.paths import as_path
from finetune.checkpoints import formats
from finetune.checkpoints.tokenizer_copy import TokenizerId, check_tokenizer, identify
from finetune.model.architecture import Architecture
from finetune.training.config import ModelConfig
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer
from tokenizer.vocabulary import MULTIPLE


@dataclass(frozen=True)
class InitialModel:
    """The model that a run begins with."""

    architecture: Architecture
    tokenizer: Path
    identity: TokenizerId
    checkpoint: Path | None  # None: a new model with random weights
    with_head: bool

    @classmethod
    def of(cls, config: ModelConfig, *, with_head: bool = False) -> InitialModel:
        """Find the model of a configuration.

        Any encoder will do for a run with a head; a head that it lacks begins at random.

        Raises:
            ConfigError: there is no tokenizer, or the checkpoint is not a whole model and `with_head` is False.
            SourceError: the checkpoint or the tokenizer cannot be read.
        """
        if not config.init:
            if not config.tokenizer:
                raise ConfigError("model.tokenizer is empty: a new model needs one, from `glotmill tokenizer train`")
            tokenizer = as_path(config.tokenizer)
            identity = identify(tokenizer)
            return cls(config.architecture(_vocabulary(identity.pieces)), tokenizer, identity, None, with_head)
        checkpoint = as_path(config.init)
        described = formats.describe(checkpoint)
        if described.head and not with_head:
            raise ConfigError(f"{config.init} is {described.head.name}, an encoder with a head: expected a whole model")
        tokenizer = _tokenizer(config, described.tokenizer)
        identity = identify(tokenizer)
        check_tokenizer(identity, described.architecture, str(tokenizer))
        return cls(described.architecture, tokenizer, identity, checkpoint, with_head)

    def state(self, trainer: Trainer) -> TrainState:
        """Return the state before the first step."""
        if self.checkpoint is None:
            return trainer.new_state()
        shardings: Mapping[str, Any] = trainer.weight_shardings
        return trainer.state_from(formats.load(self.checkpoint, shardings=shardings, with_head=self.with_head).params)


def _tokenizer(config: ModelConfig, own: Path | None) -> Path:
    """Return the tokenizer of a run from a checkpoint; raise ConfigError if it is missing or another one."""
    tokenizer = as_path(config.tokenizer) if config.tokenizer else own
    if tokenizer is None:
        raise ConfigError(f"{config.init} has no tokenizer: set model.tokenizer")
    if own and identify(own).sha256 != identify(tokenizer).sha256:
        raise ConfigError(
            f"model.tokenizer {tokenizer} is not the tokenizer that {config.init} was trained with, so its ids have "
            "other meanings. Leave model.tokenizer out"
        )
    return tokenizer


def _vocabulary(pieces: int) -> int:
    """Return the vocabulary size of a new model: the pieces, rounded up to a size that devices compute well."""
    return -(-pieces // MULTIPLE) * MULTIPLE
