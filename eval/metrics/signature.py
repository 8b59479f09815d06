"""What a score depends on, in one line, as sacrebleu does it: two scores compare only where these agree."""

from __future__ import annotations

from collections.abc import Mapping


def signature(parts: Mapping[str, object]) -> str:
    """`key:value|key:value`, empty values left out; `|` cannot stand in a value."""
    return "|".join(f"{key}:{str(value).replace('|', '/')}" for key, value in parts.items() if value not in ("", None))


def signature_parts(signature: str) -> dict[str, str]:
    """What a signature says by its keys; a key without a value has "", one that comes twice has both, by commas.

    >>> signature_parts("task:sib|data:1f2e|both_orders")
    {'task': 'sib', 'data': '1f2e', 'both_orders': ''}
    """
    parts: dict[str, str] = {}
    for piece in filter(None, signature.split("|")):
        key, _, value = piece.partition(":")
        parts[key] = f"{parts[key]},{value}" if key in parts else value
    return parts
