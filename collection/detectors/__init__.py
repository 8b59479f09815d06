"""Language detectors behind one interface: text in, one of our languages and a score out.

`vote` asks pycld2, gcld3 and py3langid, in the order of their cost, and stops where the answer cannot change; `cld2` is
the fast one alone; `fasttext:PATH` takes any fastText model (lid.176, OpenLID, GlotLID). `docs/language-id.md` has the
figures. The libraries are imported when a detector is made, and models are loaded once a process.

To add a detector, write its class in its own file and add one row to `DETECTORS`.
"""

from __future__ import annotations

import functools
import importlib
from typing import Final, NamedTuple

from collection.detectors.detection import UNKNOWN, Detection, Detector
from core.errors import UnknownNameError

__all__ = ["DETECTORS", "UNKNOWN", "Detection", "Detector", "DetectorRow", "make_detector", "optional_detector"]

_NO_DETECTOR: Final = "none"


class DetectorRow(NamedTuple):
    """Where the class of a detector is, and the word for what follows its name after a colon ("" for nothing)."""

    module: str
    name: str
    argument: str = ""


DETECTORS: Final[dict[str, DetectorRow]] = {
    "vote": DetectorRow("collection.detectors.vote", "Vote"),
    "cld2": DetectorRow("collection.detectors.cld2", "Cld2"),
    "fasttext": DetectorRow("collection.detectors.fasttext", "FastText", "PATH"),
}


@functools.cache
def make_detector(name: str) -> Detector:
    """Return the detector `vote`, `cld2` or `fasttext:PATH`, one a process. Raise UnknownNameError for other names."""
    kind, _, argument = name.partition(":")
    row = DETECTORS.get(kind)
    if row is None or (argument and not row.argument):
        *first, last = forms = [f"{kind}:{row.argument}" if row.argument else kind for kind, row in DETECTORS.items()]
        raise UnknownNameError("language detector", name, forms, f"expected {', '.join(first)} or {last}")
    detector = getattr(importlib.import_module(row.module), row.name)
    made: Detector = detector(argument) if row.argument else detector()
    return made


def optional_detector(name: str) -> Detector | None:
    """Return the detector of this name, or None for `none`."""
    return None if name == _NO_DETECTOR else make_detector(name)
