"""The layout of a vocabulary, mT5's: pad 0, eos 1, unk 2, user symbols, bytes, pieces by score, sentinels at the top.

    0 <pad>   1 </s>   2 <unk>   3.. user symbols   .. <0x00> to <0xFF>   .. pieces   .. <extra_id_99> to <extra_id_0>

`Tokenizer` is a finished one, as training and the reports use it.
"""

from __future__ import annotations

import codecs
import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from core.errors import ConfigError, SourceError
from tokenizer import model_file
from tokenizer.normalizer import NAME, SPACE

PAD, EOS, UNK = 0, 1, 2
SPECIAL: Final = ("<pad>", "</s>", "<unk>")
BYTES: Final = tuple(f"<0x{byte:02X}>" for byte in range(256))
MULTIPLE: Final = 128
MODEL, HUGGING_FACE, ABOUT = "tokenizer.model", "tokenizer.json", "glotmill_tokenizer.json"


@dataclass(frozen=True)
class VocabularyConfig:
    """What a vocabulary is made of."""

    size: int = 0  # pieces, special ones included; rounded up to a multiple of 128
    type: Literal["unigram", "bpe"] = "unigram"  # how text is segmented
    sentinels: int = 100  # <extra_id_0> and so on, at the top, for span corruption
    symbols: tuple[str, ...] = ()  # strings that are always one piece, such as <|user|>; no words or letters
    split_digits: bool = True  # every digit is a piece of its own
    collapse_spaces: bool = False  # runs of blanks become one, and none stay at the ends; code loses its indents
    characters: float = 0.999  # share of the running Han and Hangul text whose characters have a piece of their own

    def __post_init__(self) -> None:
        if self.sentinels < 0:
            raise ConfigError(f"vocabulary.sentinels is {self.sentinels}: expected 0 or more")
        if not 0 < self.characters <= 1:
            raise ConfigError(f"vocabulary.characters is {self.characters}: expected more than 0, and 1 at most")
        taken = {*SPECIAL, *BYTES, *self.sentinel_names}
        for symbol in self.symbols:
            form = unicodedata.normalize("NFKC", symbol)
            if not symbol or any(character.isspace() or character == SPACE for character in symbol):
                raise ConfigError(f"vocabulary.symbols: {symbol!r} is empty or holds a blank, which no piece can")
            if form != symbol:
                raise ConfigError(
                    f"vocabulary.symbols: the normaliser turns {symbol!r} into {form!r}: expected that form"
                )
            if len(symbol) < 2 or any(unicodedata.category(symbol[end])[0] in "LMN" for end in (0, -1)):
                raise ConfigError(
                    f"vocabulary.symbols: {symbol!r} could be part of a text: expected two characters or more, "
                    "the first and the last of them no letter, mark or digit, such as <|user|>"
                )
            if symbol in taken:
                raise ConfigError(f"vocabulary.symbols: {symbol!r} is there already")
            taken.add(symbol)

    @property
    def sentinel_names(self) -> tuple[str, ...]:
        """In the order of their ids."""
        return tuple(f"<extra_id_{number}>" for number in reversed(range(self.sentinels)))

    @property
    def rounded(self) -> int:
        """The size of the vocabulary."""
        return -(-self.size // MULTIPLE) * MULTIPLE

    @property
    def fixed(self) -> int:
        """Pieces that no text decides."""
        return len(SPECIAL) + len(BYTES) + len(self.symbols) + self.sentinels


def lay_out(model: Any, config: VocabularyConfig) -> Any:
    """The model with all pieces at their places, and without anything that tells of the machine that made it."""
    unigram = config.type == "unigram"
    normal = [piece for piece in model.pieces if piece.type == model_file.NORMAL]
    taken = {*config.symbols, *config.sentinel_names, *SPECIAL, *BYTES}
    normal = [piece for piece in normal if piece.piece not in taken]
    if unigram:  # of BPE the order is the order of merging
        normal.sort(key=lambda piece: (-piece.score, piece.piece))
    out = model_file.new()
    for name in SPECIAL:
        out.pieces.add(piece=name, score=0, type=model_file.UNKNOWN if name == SPECIAL[UNK] else model_file.CONTROL)
    for name in config.symbols:
        out.pieces.add(piece=name, score=0, type=model_file.USER_DEFINED)
    for name in BYTES:
        out.pieces.add(piece=name, score=0, type=model_file.BYTE)
    out.pieces.extend(normal)
    for name in config.sentinel_names:
        out.pieces.add(piece=name, score=0, type=model_file.USER_DEFINED)
    trainer = out.trainer_spec
    trainer.model_type = model_file.UNIGRAM if unigram else model_file.BPE
    trainer.vocab_size, trainer.split_digits, trainer.byte_fallback = len(out.pieces), config.split_digits, True
    trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = PAD, EOS, UNK, -1
    trainer.user_defined_symbols.extend((*config.symbols, *config.sentinel_names))
    normalizer = out.normalizer_spec
    normalizer.name, normalizer.precompiled_charsmap = NAME, model.normalizer_spec.precompiled_charsmap
    normalizer.add_dummy_prefix = normalizer.escape_whitespaces = True
    normalizer.remove_extra_whitespaces = config.collapse_spaces
    return out


@dataclass(frozen=True)
class Tokenizer:
    """A SentencePiece model: ids of texts, without special ones, and texts of ids.

    `encode` finds symbols such as `<|user|>` or `<extra_id_0>` in a text, as the library and tokenizer.json do: for
    text that we put together. `encode_text` finds none: for what others wrote, where they are no more than letters.
    """

    path: Path

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Of a folder that `glotmill tokenizer train` wrote, or a .model file; SourceError where it is neither."""
        path = Path(path)
        if path.is_dir():
            about = path / ABOUT
            if not about.exists():
                raise SourceError(
                    f"{path} holds no finished tokenizer: expected a folder with {MODEL} and {ABOUT} in it"
                )
            path = path / MODEL
        elif path.suffix == ".json":
            raise SourceError(
                f"{path} is a tokenizer for Hugging Face's library: expected a SentencePiece model "
                f"({MODEL}), or the folder with both"
            )
        model_file.read(path)
        return cls(path)

    @functools.cached_property
    def processor(self) -> Any:
        """The library's own object."""
        return model_file.sentencepiece().SentencePieceProcessor(model_file=str(self.path))

    @functools.cached_property
    def text_processor(self) -> Any:
        """The library's object that finds no symbols."""
        return model_file.processor(model_file.without_symbols(model_file.read(self.path)))

    @property
    def size(self) -> int:
        return int(self.processor.get_piece_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; symbols in it are one id each."""
        ids: list[list[int]] = self.processor.encode(list(texts), num_threads=1)
        return ids

    def encode_text(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, none of them a symbol's."""
        ids: list[list[int]] = self.text_processor.encode(list(texts), num_threads=1)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.processor.decode(list(ids)))

    def whole(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids without those at the end that are the first bytes of a character whose others are missing.

        Bytes that can be of no character stay, and so does U+FFFD itself; `decode` gives U+FFFD for both.
        """
        first = len(ids)
        while first and ids[first - 1] in self._bytes:
            first -= 1
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(bytes(self._bytes[number] for number in ids[first:]))
        begun, _ = decoder.getstate()
        return ids[: len(ids) - len(begun)]

    @functools.cached_property
    def _bytes(self) -> dict[int, int]:
        """The bytes that have pieces, by id."""
        processor = self.processor
        return {
            number: byte for byte, name in enumerate(BYTES) if processor.is_byte(number := processor.piece_to_id(name))
        }

    def normalize(self, text: str) -> str:
        """What `decode(encode(text))` gives."""
        form = str(self.processor.normalize(text))
        text = form.replace(SPACE, " ")
        collapsed = model_file.read(self.path).normalizer_spec.remove_extra_whitespaces
        return text.lstrip(" ") if collapsed else text.removeprefix(" ")
