"""pycld2, the fast detector."""

from __future__ import annotations

import re
from typing import Final

from collection.detectors.detection import ENOUGH, UNKNOWN, Detection, library, version
from collection.detectors.labels import group_of, language_of, varieties_of, variety_of
from collection.languages import Language


class Cld2:
    """pycld2: the language of most of the text, 14 µs a row."""

    # Strength of the answer, and the share of such answers that are right: the worse of SIB-200 and Tatoeba.
    _SCORES = ((1200, 0.98), (900, 0.94), (600, 0.91), (300, 0.73), (0, 0.5))
    _UNRELIABLE = 0.4

    def __init__(self) -> None:
        self._library = library("pycld2", "pycld2")
        self.signature = f"cld2({version('pycld2')})"
        codes = dict(self._library.LANGUAGES)
        # It was trained on Kurdish in Arabic letters alone.
        known = varieties_of(codes[name] for name in self._library.DETECTED_LANGUAGES)
        self.known = known - {("kur", "Latn")} | {("kur", "Arab")}

    def knows(self, language: Language) -> bool:
        return variety_of(language) in self.known

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        answer = self.answer(text)
        if not answer:
            return UNKNOWN
        label, share, reliable, strength, groups = answer
        score = self._UNRELIABLE
        if reliable and share >= 90:
            score = next(right for least, right in self._SCORES if strength >= least)
        return Detection(language_of(label, text), score, groups)

    def answer(self, text: str) -> tuple[str, int, bool, float, frozenset[str]] | None:
        """Label of the best language, its share in percent, whether cld2 trusts it, how strongly, all groups seen."""
        text = text[:ENOUGH]
        try:
            reliable, _, details = self._library.detect(text, isPlainText=True, bestEffort=True)
        except self._library.error:
            # It refuses some characters that are sound Unicode: give it the letters and blanks alone.
            try:
                reliable, _, details = self._library.detect(_NOT_TEXT.sub(" ", text), isPlainText=True, bestEffort=True)
            except self._library.error:
                return None
        _, code, share, strength = details[0]
        if code == "un" or group_of(code) is None:
            return None
        groups = frozenset(group for _, other, part, _ in details if part >= 20 and (group := group_of(other)))
        return code, share, reliable, strength, groups


_NOT_TEXT: Final = re.compile(r"[^\w\s\u0300-\u036f]")
