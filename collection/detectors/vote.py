"""The vote of three detectors, asked only as far as the answer can still change."""

from __future__ import annotations

import functools
from typing import Any, Final

from collection.detectors.cld2 import Cld2
from collection.detectors.detection import ENOUGH, UNKNOWN, Detection, has_letters, library, version
from collection.detectors.labels import group_of, language_of, varieties_of, variety_of
from collection.languages import Language


class Vote:
    """Majority of pycld2, gcld3 and py3langid; without one, pycld2's answer.

    A cascade: the dear two (50 and 100 µs a row) are asked only where pycld2 is unsure or contradicts `declared`, the
    third only where the first two differ.
    """

    # The share of answers that are right, by who gave them: the worse of SIB-200 and Tatoeba (docs/language-id.md).
    _SURE, _FIRST_TWO, _FIRST_AND_THIRD, _LAST_TWO, _NONE = 0.98, 0.99, 0.97, 0.77, 0.4

    def __init__(self) -> None:
        self._cld2 = Cld2()
        self._gcld3 = library("gcld3", "cld3-py").NNetLanguageIdentifier(0, 4 * ENOUGH)
        self._langid = _langid()
        self.signature = f"vote({self._cld2.signature},gcld3({version('cld3-py')}),py3langid({version('py3langid')}))"
        self._voters = (self._cld2.known, varieties_of(_GCLD3_LABELS), varieties_of(self._langid.labels))

    def knows(self, language: Language) -> bool:
        return sum(variety_of(language) in known for known in self._voters) >= 2

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        text = text[:ENOUGH]
        if not has_letters(text):
            return UNKNOWN
        first = self._cld2.answer(text)
        if first:
            label, share, reliable, strength, groups = first
            a = group_of(label)
            if reliable and ((share >= 95 and strength >= 1000) or (declared is not None and a == declared.group)):
                return Detection(language_of(label, text), self._SURE, groups)
        else:
            label, a, groups = "", None, frozenset()
        second = self._gcld3.FindLanguage(text).language
        b = group_of(second)
        if a and a == b:
            return Detection(language_of(label, text), self._FIRST_TWO, groups)
        third = self._langid.classify(text)[0]
        third = _LANGID_LABELS.get(third, third)
        c = group_of(third)
        groups |= {group for group in (b, c) if group}
        if a and a == c:
            return Detection(language_of(label, text), self._FIRST_AND_THIRD, groups)
        if b and b == c:
            return Detection(language_of(second, text), self._LAST_TWO, groups)
        best = language_of(label or third, text)
        return Detection(best, self._NONE, groups) if best else UNKNOWN


# gcld3 does not list what it can say.
_GCLD3_LABELS: Final = (
    "af am ar az be bg bn bs ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi hmn hr ht "
    "hu hy id ig is it iw ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt "
    "ro ru sd si sk sl sm sn so sq sr st su sv sw ta te tg th tr uk ur uz vi xh yi yo zh zu bg-Latn el-Latn hi-Latn "
    "ja-Latn ru-Latn zh-Latn"
).split()

# py3langid has labels for near relatives that it takes other texts for, and one for what is no language.
_LANGID_LABELS: Final = {"wuu": "zh", "hbo": "he", "sdh": "ckb", "zxx": "und"}


@functools.cache
def _langid() -> Any:
    module = library("py3langid.langid", "py3langid")
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE)
