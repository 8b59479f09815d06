"""`tokenizer.json`: the same tokenizer for Hugging Face's library, with the same ids for every text.

Text is cut before every blank, which no piece spans, so that both libraries look for the best pieces of the same words.
Special pieces are no "added tokens": SentencePiece does not see `</s>` in a text, and neither does this file.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tokenizer import model_file
from tokenizer.normalizer import SPACE, hugging_face
from tokenizer.vocabulary import UNK, VocabularyConfig

# Bytes and special pieces are no text: a score that no segmentation of their names falls below.
_NEVER: Final = -1e6
_ALL: Final = 1 << 30


def to_json(model: Any, config: VocabularyConfig) -> str:
    """The content of tokenizer.json."""
    symbols = [piece.piece for piece in model.pieces if piece.type == model_file.USER_DEFINED]
    steps = hugging_face(model.normalizer_spec.precompiled_charsmap, symbols, config.collapse_spaces)
    cuts: list[dict[str, Any]] = [_split({"String": SPACE}, "MergedWithNext")]
    unigram = config.type == "unigram"
    if not unigram and symbols:
        found = _split({"Regex": "|".join(map(_literal, sorted(symbols, key=len, reverse=True)))}, "Isolated")
        cuts.insert(0, found)
    if not unigram:
        cuts += _names_apart(model)
    values: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                # Where blanks collapse, SentencePiece takes all away that stand at the beginning.
                {"type": "Strip", "content": " ", "start": _ALL if config.collapse_spaces else 1, "stop": 0},
            ],
        },
        "model": _unigram(model) if unigram else _bpe(model),
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


def _split(pattern: dict[str, str], behavior: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}


def _literal(symbol: str) -> str:
    return "".join(f"\\x{{{ord(character):X}}}" for character in symbol)


def _names_apart(model: Any) -> list[dict[str, Any]]:
    """Cuts for words that are spelt like a piece, which merging does not make of them: `</s>`, and any such others.

    So that symbols are found, a word that is the name of a piece becomes that piece (`ignore_merges`). Behind a symbol,
    where no blank stands before it, a word can have the name of a special piece: cut after its first piece, it is none.
    """
    names = [piece.piece for piece in model.pieces if piece.type != model_file.USER_DEFINED]
    parts = model_file.verbatim(model).encode(names, out_type=str)
    rests: dict[str, list[str]] = {}
    for name, found in zip(names, parts, strict=True):
        if found != [name]:
            rests.setdefault(found[0], []).append(name.removeprefix(found[0]))
    choices = [f"{_literal(first)}(?=(?:{'|'.join(map(_literal, rest))})\\z)" for first, rest in sorted(rests.items())]
    # What is left of a name may be one again: as often as that can be.
    known = set(names)
    again = sum(any(rest in known for rest in one) for one in rests.values())
    return [_split({"Regex": f"\\A(?:{'|'.join(choices)})"}, "Isolated")] * (1 + again) if choices else []


def _unigram(model: Any) -> dict[str, Any]:
    best = max((piece.score for piece in model.pieces if piece.type == model_file.NORMAL), default=0.0)
    vocabulary = []
    for piece in model.pieces:
        if piece.type == model_file.NORMAL:
            score = piece.score
        elif piece.type == model_file.USER_DEFINED:
            # What SentencePiece gives them, so that they win against any pieces that spell them.
            score = len(piece.piece.encode()) * best - 0.1
        else:
            score = _NEVER
        vocabulary.append([piece.piece, score])
    return {"type": "Unigram", "unk_id": UNK, "vocab": vocabulary, "byte_fallback": True}


def _bpe(model: Any) -> dict[str, Any]:
    """Pieces with their merges: SentencePiece merges whichever pair makes the piece of the best score."""
    ids = {piece.piece: index for index, piece in enumerate(model.pieces)}
    score = {piece.piece: piece.score for piece in model.pieces if piece.type == model_file.NORMAL}
    merges = []
    for piece in sorted(score, key=lambda piece: -score[piece]):
        pairs = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        pairs = [pair for pair in pairs if pair[0] in score and pair[1] in score]
        merges += [list(pair) for pair in sorted(pairs, key=lambda pair: (-score[pair[0]], -score[pair[1]]))]
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": "<unk>",
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": True,
        "vocab": ids,
        "merges": merges,
    }
