"""What a score depends on, in one line, as sacrebleu does it: two scores compare only where these agree."""

from __future__ import annotations

from collections.abc import Mapping


def signature(parts: Mapping[str, object]) -> str:
    """`key:value|key:value`, empty values left out; `|` cannot stand in a value."""
    return "|".join(f"{key}:{str(value).replace('|', '/')}" for key, value in parts.items() if value not in ("", None))


def parse(text: str) -> dict[str, str]:
    """The parts of a signature.

    >>> parse("task:xcopa|n:500")
    {'task': 'xcopa', 'n': '500'}
    """
    return dict(part.split(":", 1) for part in text.split("|") if ":" in part)
