"""The words of a text, for metrics that count them, in every script; and a text as an answer is compared.

Where words are set apart by spaces, a word is a run of letters, digits and the marks on them. Han, Kana, Thai, Lao,
Khmer, Burmese and other scripts without spaces give a word for each character with its marks, as MLQA does for Chinese:
no dictionary is asked, so the same text always has the same words.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from collection.scripts import SCRIPTS

_UNSPACED: Final = "".join(script.characters for script in SCRIPTS.values() if not script.spaced)
# A letter of a script without spaces and its marks; else a run of anything that is neither blank nor a sign.
_WORD: Final = re.compile(rf"[{_UNSPACED}]\u200d?|[^\s{_UNSPACED}]+")
_JOINERS: Final = "\u200c\u200d"  # join or part letters inside a word
_PARTING: Final = "—፡"  # signs that stand for a blank
_ARTICLES: Final = {"eng": frozenset(("a", "an", "the"))}


def words(text: str) -> list[str]:
    """The words of a text, folded as `folded` does.

    >>> words("Héllo, WORLD!"), words("東京は、日本")
    (['héllo', 'world'], ['東', '京', 'は', '日', '本'])
    """
    found: list[str] = []
    end = -1
    for match in _WORD.finditer(folded(text)):
        word = match.group()
        # A mark belongs to the letter before it, in scripts whose marks are matched as letters of their own.
        if match.start() == end and _is_mark(word):
            found[-1] += word
        else:
            found.append(word)
        end = match.end()
    return found


def folded(text: str) -> str:
    """Composed, without case, signs and punctuation made blanks, runs of blanks made one."""
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if _is_kept(c) else " " for c in text)
    return " ".join(kept.split())


def answer(text: str, iso639_3: str = "") -> str:
    """A text as answers to questions are compared: by SQuAD's rule, for every script.

    Composed, without case and without signs: those inside a word part nothing, so that 1,000 is 1000, U.S. is US and
    it's is its. English loses its articles. Marks on letters and joiners stay. For answers alone: ROUGE takes `words`
    of the text itself, where a sign parts words as it does for rouge-score.

    >>> answer("The U.S. paid $1,000...", "eng")
    'us paid 1000'
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(" " if c.isspace() or c in _PARTING else c if _is_kept(c) else "" for c in text)
    articles = _ARTICLES.get(iso639_3, frozenset())
    return " ".join(word for word in kept.split() if word not in articles)


def _is_kept(c: str) -> bool:
    return unicodedata.category(c)[0] in "LMN" or c in _JOINERS


def _is_mark(word: str) -> bool:
    return len(word) == 1 and unicodedata.category(word)[0] == "M"
