"""Unicode clean-up of one text: what every source needs before anything looks at it.

Composed form (NFC), line ends as \\n, no control characters, mojibake decoded by ftfy, lone surrogates replaced.
Zero-width joiners, bidirectional marks and all spaces that a writing system needs stay as they are.

Nearly all text needs none of it, so each step is behind a look that costs about a microsecond and, as
tests/collection/test_normalize.py proves, never turns away a text that the step would change.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

# Stray in text, whatever the script: C0 and C1 controls, line ends of other systems, byte order mark, noncharacters,
# interlinear and deprecated format controls, surrogates. Not NUL alone: pycld2 refuses any of them, Parquet some.
_STRAY: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\ufdd0-\ufdef"
)
_ANY_STRAY: Final = re.compile(f"[{_STRAY}]")  # none of them is printable, which is quicker to ask
_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SURROGATE_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def normalize(text: str, *, mojibake: bool = True) -> str:
    """`text` in clean Unicode, without blanks at its end or empty lines at its start.

    `mojibake` also decodes text that went through the wrong encoding ("SlovenÅ¡Äina" to "Slovenščina").

        >>> normalize("cafe\\u0301\\r\\n")
        'café'
    """
    if text.isascii():
        if not text.isprintable() and _ANY_STRAY.search(text):
            text = _without_stray(text)
        return text.rstrip().lstrip("\n")
    if mojibake and _mojibake_clue().search(text):
        text = _fix_encoding(text)
    if not text.isprintable() and _ANY_STRAY.search(text):
        text = _without_stray(text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text.rstrip().lstrip("\n")


def _without_stray(text: str) -> str:
    text = _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    text = _LINE_END.sub("\n", text)
    return _ANY_STRAY.sub("", text)


@functools.cache
def _mojibake_clue() -> re.Pattern[str]:
    """Characters of which each pattern in ftfy's test for badness needs at least one."""
    from ftfy.badness import MOJIBAKE_CATEGORIES

    kinds = ("c1", "bad", "law", "currency", "start_punctuation", "end_punctuation", "numeric", "upper_accented", "box")
    return re.compile("[" + "".join(MOJIBAKE_CATEGORIES[kind] for kind in kinds) + "ŒœЂÙ°]")


def _fix_encoding(text: str) -> str:
    import ftfy

    return ftfy.fix_encoding(text)
