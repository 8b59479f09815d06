"""Writing systems: which characters they use, which way they run, whether they set words apart, how dense they are."""

from __future__ import annotations

import bisect
import functools
import re
from collections import Counter
from dataclasses import dataclass

_HAN = "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufad9\U00020000-\U000323af"
_BOPOMOFO = "\u3105-\u312f\u31a0-\u31bf"
_HIRAGANA = "\u3041-\u309f\U0001b001-\U0001b11f\U0001b150-\U0001b152"
_KATAKANA = "\u30a1-\u30ff\u31f0-\u31ff\u32d0-\u32fe\u3300-\u3357\uff66-\uff9f"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa1-\uffdc"


@dataclass(frozen=True, slots=True)
class Script:
    """A writing system by its ISO 15924 code.

    `characters` is the inside of a regular-expression class. `density` is how many characters say what one character
    of English says, measured on the parallel sentences of SIB-200 (median over the languages of the script), 1.0
    where no text was at hand: a limit in English characters, times the density, is the same limit in this script.
    """

    code: str
    name: str
    characters: str
    density: float = 1.0
    right_to_left: bool = False
    spaced: bool = True

    def count(self, text: str) -> int:
        """How many characters of `text` belong to this script."""
        return sum(map(len, _runs(self.characters).findall(text)))


SCRIPTS: dict[str, Script] = {
    script.code: script
    for script in (
        Script(
            "Latn",
            "Latin",
            "A-Za-zªºÀ-ÖØ-öø-\u02b8\u02e0-\u02e4\u1d00-\u1d25\u1d2c-\u1d5c\u1d62-\u1d65\u1d6b-\u1d77\u1d79-\u1dbe"
            "\u1e00-\u1eff\u2071\u207f\u2090-\u209c\u212a\u212b\u2132\u214e\u2160-\u2188\u2c60-\u2c7f\ua722-\ua787"
            "\ua78b-\ua7ff\uab30-\uab5a\uab5c-\uab64\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a",
            1.07,
        ),
        Script("Cyrl", "Cyrillic", "\u0400-\u052f\u1c80-\u1c8a\u1d2b\u1d78\u2de0-\u2dff\ua640-\ua69f", 1.04),
        Script(
            "Grek", "Greek", "\u0370-\u03e1\u03f0-\u03ff\u1d26-\u1d2a\u1d5d-\u1d61\u1d66-\u1d6a\u1dbf\u1f00-\u1ffe", 1.2
        ),
        Script(
            "Arab",
            "Arabic",
            "\u0600-\u0604\u0606-\u060b\u060d-\u061a\u061c-\u061e\u0620-\u063f\u0641-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
            0.9,
            right_to_left=True,
        ),
        Script("Hebr", "Hebrew", "\u0591-\u05f4\ufb1d-\ufb4f", 0.93, right_to_left=True),
        Script("Syrc", "Syriac", "\u0700-\u074f\u0860-\u086a", right_to_left=True),
        Script("Thaa", "Thaana", "\u0780-\u07b1", right_to_left=True),
        Script("Nkoo", "N'Ko", "\u07c0-\u07ff", 1.29, right_to_left=True),
        Script("Armn", "Armenian", "\u0531-\u058f\ufb13-\ufb17", 1.12),
        Script("Geor", "Georgian", "\u10a0-\u10fa\u10fc-\u10ff\u1c90-\u1cbf\u2d00-\u2d2d", 1.11),
        Script("Goth", "Gothic", "\U00010330-\U0001034a"),
        Script("Ethi", "Ethiopic", "\u1200-\u139f\u2d80-\u2dde\uab01-\uab2e\U0001e7e0-\U0001e7fe", 0.69),
        Script("Tfng", "Tifinagh", "\u2d30-\u2d7f", 0.92),
        Script("Deva", "Devanagari", "\u0900-\u0950\u0955-\u0963\u0966-\u097f\ua8e0-\ua8ff\U00011b00-\U00011b09", 0.98),
        Script("Beng", "Bengali", "\u0980-\u09fe", 0.99),
        Script("Guru", "Gurmukhi", "\u0a01-\u0a76", 1.01),
        Script("Gujr", "Gujarati", "\u0a81-\u0aff", 0.96),
        Script("Orya", "Odia", "\u0b01-\u0b77", 1.03),
        Script("Taml", "Tamil", "\u0b82-\u0bfa\U00011fc0-\U00011fff", 1.17),
        Script("Telu", "Telugu", "\u0c00-\u0c7f", 1.02),
        Script("Knda", "Kannada", "\u0c80-\u0cf3", 1.05),
        Script("Mlym", "Malayalam", "\u0d00-\u0d7f", 1.14),
        Script("Sinh", "Sinhala", "\u0d81-\u0df4\U000111e1-\U000111f4", 1.01),
        Script("Olck", "Ol Chiki", "\u1c50-\u1c7f", 1.06),
        Script("Mtei", "Meetei Mayek", "\uaae0-\uaaf6\uabc0-\uabf9"),
        Script("Limb", "Limbu", "\u1900-\u194f"),
        Script("Thai", "Thai", "\u0e01-\u0e3a\u0e40-\u0e5b", 0.97, spaced=False),
        Script("Laoo", "Lao", "\u0e81-\u0edf", 1.0, spaced=False),
        Script("Khmr", "Khmer", "\u1780-\u17f9\u19e0-\u19ff", 1.2, spaced=False),
        Script("Mymr", "Myanmar", "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f", 1.35, spaced=False),
        # Tibetan sets syllables apart, not words: a blank comes at the end of a phrase.
        Script("Tibt", "Tibetan", "\u0f00-\u0fd4\u0fd9\u0fda", 1.2, spaced=False),
        Script("Java", "Javanese", "\ua980-\ua9df", spaced=False),
        Script("Mong", "Mongolian", "\u1800\u1801\u1804\u1806-\u18aa\U00011660-\U0001166c"),
        Script("Cher", "Cherokee", "\u13a0-\u13fd\uab70-\uabbf"),
        Script("Cans", "Canadian syllabics", "\u1400-\u167f\u18b0-\u18f5\U00011ab0-\U00011abf"),
        Script("Hang", "Hangul", _HANGUL + _HAN, 0.51),
        Script("Hans", "Han (simplified)", _HAN + _BOPOMOFO, 0.34, spaced=False),
        Script("Hant", "Han (traditional)", _HAN + _BOPOMOFO, 0.31, spaced=False),
        Script("Hani", "Han", _HAN + _BOPOMOFO + _HIRAGANA + _KATAKANA, 0.44, spaced=False),
        Script("Jpan", "Japanese", _HIRAGANA + _KATAKANA + _HAN, 0.44, spaced=False),
        Script("Hira", "Hiragana", _HIRAGANA + _KATAKANA + _HAN, 0.44, spaced=False),
        Script("Kana", "Katakana", _HIRAGANA + _KATAKANA + _HAN, 0.44, spaced=False),
        # Code, numbers, symbols: every character fits.
        Script("Zyyy", "Common", r"\s\S"),
    )
}

# The scripts that one character decides. Han characters belong to Hans, Hant or Jpan depending on their neighbours.
_ALONE = {
    code: SCRIPTS[code].characters
    for code in SCRIPTS
    if code not in {"Hang", "Hans", "Hant", "Hani", "Jpan", "Hira", "Kana", "Zyyy"}
}
_ALONE |= {"Hang": _HANGUL, "Hani": _HAN + _BOPOMOFO, "Jpan": _HIRAGANA + _KATAKANA}


@functools.cache
def _runs(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{characters}]+")


def dominant_script(text: str) -> str | None:
    """Return the ISO 15924 code of the script that most characters of `text` belong to, or None.

    Any kana make Han characters Japanese. Han characters alone give `Hani`, since the simplified and the traditional
    form does not follow from single characters.
    """
    starts, codes = _script_starts()
    counts = Counter(codes[bisect.bisect_right(starts, ord(c)) - 1] for c in text)
    del counts[""]
    if not counts:
        return None
    if "Jpan" in counts:
        counts["Jpan"] += counts.pop("Hani", 0)
    return max(counts, key=lambda code: counts[code])


@functools.cache
def _script_starts() -> tuple[list[int], list[str]]:
    """Code points at which a stretch of one script, or of none (""), begins."""
    stretches: list[tuple[int, int, str]] = []
    for code, characters in _ALONE.items():
        for first, last in re.findall(r"(.)(?:-(.))?", characters, re.DOTALL):
            stretches.append((ord(first), ord(last or first), code))
    starts, codes = [0], [""]
    for first, last, code in sorted(stretches):
        if starts[-1] == first:
            codes[-1] = code
        else:
            starts.append(first)
            codes.append(code)
        starts.append(last + 1)
        codes.append("")
    return starts, codes
