"""Text cut into sentences, in every script, so that all pieces together are the text again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from collection.languages import Language

# Ends of sentences that sentencex 1.0 does not know: Khmer, Tibetan, Limbu, Javanese, Balinese, Tai Tham, N'Ko, Lepcha.
_MORE_ENDS: Final = re.compile(
    r"(?<=[។៕༎༏༐༑།༔᥄᥅꧈꧉᭚᭛᭞᭟᪨᪩᪪᪫߹᰻᰼᰽᰾᰿])(?![។៕༎༏༐༑།༔᥄᥅꧈꧉᭚᭛᭞᭟᪨᪩᪪᪫߹᰻᰼᰽᰾᰿\s])|(?<=[།༎]\s)(?=\S)|(?<=[។៕]\s)(?=\S)"
)
# Where a sentence that is too long may be cut, best first: behind a colon or semicolon, a comma of any script, a blank.
_CUTS: Final = tuple(map(re.compile, (r"[;:；：؛;܃፤፥]\s*", r"[,，、،߸፣꓾᠂᠈՝༌་]\s*", r"\s+|\u200b+")))


def sentences(text: str, language: Language | None, most: int = 0) -> list[str]:
    """Return the sentences of a text with the blanks behind them. Joined, they are the text.

    With `most`, no sentence is longer than this many characters of English: it is cut at a comma or blank.

    >>> from collection.languages import resolve
    >>> sentences("今天很好。我们走吧！", resolve("zho_Hans"))
    ['今天很好。', '我们走吧！']
    """
    from sentencex import segment

    if not text:
        return []
    tag = language.tag.split("-")[0] if language else "en"
    pieces = [piece for found in segment(tag, text) for piece in _MORE_ENDS.split(found) if piece]
    if "".join(pieces) != text:  # what a splitter loses would be lost for good
        pieces = [text]
    limit = round(most * language.script.density) if language else most
    return [short for piece in pieces for short in _short(piece, limit)] if most else pieces


def _short(text: str, limit: int) -> Iterator[str]:
    """Yield a text in parts of at most `most` characters, cut at the best place."""
    while len(text) > limit > 0:
        end = next(filter(None, (_last_cut(cut, text, limit) for cut in _CUTS)), limit)
        yield text[:end]
        text = text[end:]
    yield text


def _last_cut(cut: re.Pattern[str], text: str, limit: int) -> int:
    """Return the position behind the last cut before the limit, or 0 if the second half has no cut."""
    ends = [found.end() for found in cut.finditer(text, limit // 2, limit)]
    return ends[-1] if ends else 0
