"""What the user should know of the text that a tokenizer was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tokenizer.coverage import Coverage
from tokenizer.sample import Sample
from tokenizer.texts import passed_over

_NAMED: Final = 5


def on_files(folder: str) -> list[str]:
    """A warning of files in a folder of plain text that are not read; none where `folder` is empty."""
    names = passed_over(Path(folder)) if folder else []
    if not names:
        return []
    return [f"not read, since no language is in the name: {_some(names)} in {folder}; expected such as swh_Latn.txt"]


def on_sample(sample: Sample, kept: Coverage) -> list[str]:
    """Warnings of languages that the tokenizer will know little of."""
    told = []
    for code, size in sorted(sample.found.bytes.items()):
        if not size or code not in sample.lines:
            told.append(f"{code} has no text: it will be written in bytes and other languages' pieces")
        if bad := sample.found.unreadable[code]:
            told.append(f"{bad} lines of {code} are no UTF-8 text and were left out")
    if short := sample.short:
        told.append(
            f"lines repeat: the distinct ones of {_some(short)} are less than half of what was to be taken of the text"
        )
    told += [
        f"{share:.1%} of the text of {code} has pieces; the characters {kept.left_out[code][:20]!r} are left to bytes"
        for code, share in kept.by_language.items()
        if share < 0.995
    ]
    whole = sum(sample.found.bytes.values())
    code, most = max(sample.found.bytes.items(), key=lambda item: (item[1], item[0]))
    if len(sample.found.bytes) > 1 and most > 0.9 * whole:
        told.append(f"{most / whole:.1%} of the text is {code}: the others are known by little text")
    return told


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
