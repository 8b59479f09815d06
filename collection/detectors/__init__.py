"""Language detectors behind one interface: text in, one of our languages and a score out.

`vote` asks pycld2, gcld3 and py3langid, in the order of their cost, and stops where the answer cannot change; `cld2` is
the fast one alone; `fasttext:PATH` takes any fastText model (lid.176, OpenLID, GlotLID). `docs/language-id.md` has the
figures. The libraries are imported when a detector is made, models are loaded once a process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from collection.detectors.detection import UNKNOWN, Detection, Detector
from core.errors import UnknownNameError

__all__ = ["UNKNOWN", "Detection", "Detector", "make_detector"]


@functools.cache
def make_detector(name: str) -> Detector:
    """Return the detector `vote`, `cld2` or `fasttext:PATH`, one a process. Raise UnknownNameError for other names."""
    kind, _, argument = name.partition(":")
    if kind == "fasttext":
        from collection.detectors.fasttext import FastText, model_path

        return FastText(model_path(argument))
    makers: dict[str, Callable[[], Detector]] = {"vote": _vote, "cld2": _cld2}
    if argument or kind not in makers:
        raise UnknownNameError(
            "language detector", name, [*makers, "fasttext:PATH"], "expected vote, cld2 or fasttext:PATH"
        )
    return makers[kind]()


def _vote() -> Detector:
    from collection.detectors.vote import Vote

    return Vote()


def _cld2() -> Detector:
    from collection.detectors.cld2 import Cld2

    return Cld2()
