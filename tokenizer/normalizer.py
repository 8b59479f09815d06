"""The normaliser: NFKC as a model file can hold it, and the same thing said in the words of Hugging Face tokenizers.

SentencePiece rewrites text by a table of strings, the longest match first, and never looks back. That cannot be NFKC to
the letter, which also puts combining marks in order over any distance. Nor does Hugging Face read such a table right:
it looks up grapheme clusters by their first character, and drops the marks of what it finds. So the table here holds
what both can do exactly:

- every character alone becomes its NFKC form;
- a base and its marks, or the letters of a Hangul syllable, that compose to one character become that character,
  where they stand in canonical order, partly composed or not.

Text in NFC, as glotmill writes it, comes out as NFKC would have it but for compatibility characters before a mark.
`hugging_face` does the same in three steps: a separator is put wherever the table does not compose, so that NFC
composes nothing else; then characters are looked up one by one, which also takes the separator away.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

NAME: Final = "nfkc"
SPACE: Final = "\u2581"
# A format control that clean text does not hold, at which every grapheme cluster ends. The table takes it away.
_SEPARATOR: Final = "\ufffb"
# Composed since Unicode 13; the tables of tokenizers 0.23 are those of Unicode 12.
_TOO_NEW: Final = "\U00011938"
_LEADS: Final = tuple(map(chr, range(0x1100, 0x1113)))
_VOWELS: Final = tuple(map(chr, range(0x1161, 0x1176)))
_TAILS: Final = tuple(map(chr, range(0x11A8, 0x11C3)))


@functools.cache
def rules() -> dict[str, str]:
    """What is rewritten, and to what.

    >>> rules()["ﬁ"], rules()["e\\u0301"], len(rules()[_SEPARATOR])
    ('fi', 'é', 0)
    """
    table = {key: unicodedata.normalize("NFKC", key) for key in compositions()}
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        if not 0xD800 <= point < 0xE000 and (form := unicodedata.normalize("NFKC", character)) != character:
            table[character] = form
    table[_SEPARATOR] = ""
    return table


@functools.cache
def compositions() -> frozenset[str]:
    """Every string of two and more characters that composes to one, all its marks in canonical order."""
    found: dict[str, set[str]] = {}
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        parts = unicodedata.decomposition(character)
        if (
            parts
            and parts[0] != "<"
            and character not in _TOO_NEW
            and unicodedata.normalize("NFC", character) == character
        ):
            found[character] = set(_spellings(character))
    for lead in _LEADS:
        for vowel in _VOWELS:
            syllable = unicodedata.normalize("NFC", lead + vowel)
            found[syllable] = {lead + vowel}
            for tail in _TAILS:
                found[syllable + tail] = {syllable + tail, lead + vowel + tail}
    keys = {key for spellings in found.values() for key in spellings}
    later = {character for key in keys for character in key[1:]}
    # A character that both begins a composition and stands within one would have two meanings at one place.
    return frozenset(key for key in keys if key[0] not in later)


def _spellings(character: str) -> Iterator[str]:
    parts = unicodedata.decomposition(character).split()
    if len(parts) != 2 or parts[0][0] == "<":
        return
    first, second = (chr(int(part, 16)) for part in parts)
    yield first + second
    for longer in _spellings(first):
        yield longer + second


def rule_lines() -> Iterator[str]:
    """The table in the form that SentencePiece's trainer reads: code points, a tab, code points."""
    for key, form in sorted(rules().items()):
        yield f"{_points(key)}\t{_points(form)}\n"


def _points(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)


def hugging_face(charsmap: bytes, symbols: Iterable[str], collapse: bool) -> list[dict[str, Any]]:
    """The steps of a `normalizer` in tokenizer.json that do what the model file does.

    `charsmap` is the model's compiled table, `symbols` what is never rewritten, `collapse` whether white space is.
    """
    import base64

    steps: list[dict[str, Any]] = [
        {"type": "Prepend", "prepend": SPACE},
        _replace({"Regex": _boundaries(symbols)}, _SEPARATOR),
        {"type": "NFC"},
        {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
    ]
    if collapse:
        steps += [
            _replace({"Regex": f"\\A{SPACE} +"}, SPACE),
            _replace({"Regex": " {2,}"}, " "),
            _replace({"Regex": f"[ {SPACE}]+\\z"}, ""),
        ]
    return [*steps, _replace({"String": " "}, SPACE)]


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _boundaries(symbols: Iterable[str]) -> str:
    """A pattern for the places before characters that act on what stands before them, where no rule joins the two."""
    before: dict[str, set[str]] = {}
    for key in compositions():
        if not (_is_hangul(key[0])):
            before.setdefault(key[-1], set()).add(key[:-1])
    alike: dict[frozenset[str], list[str]] = {}
    for second, contexts in before.items():
        alike.setdefault(frozenset(contexts), []).append(second)
    leads, vowels, tails = _set(_LEADS), _set(_VOWELS), _set(_TAILS)
    open_syllables = _set(unicodedata.normalize("NFC", lead + vowel) for lead in _LEADS for vowel in _VOWELS)
    choices = [f"(?={_set(seconds)})(?<!{_contexts(contexts)})" for contexts, seconds in sorted(alike.items(), key=str)]
    choices.append(f"(?={vowels})(?<!{leads})")
    choices.append(f"(?={tails})(?<!{open_syllables}|{leads}{vowels})")
    joining = _set([*before, *_VOWELS, *_TAILS])
    active = _set(_active())
    choices.append(f"(?!{joining})")
    ends = "|".join(sorted({_escaped(symbol) for symbol in symbols}, key=lambda text: (-len(text), text)))
    if ends:
        choices.append(f"(?<={ends})")
    return f"(?={active})(?:{'|'.join(choices)})"


@functools.cache
def _active() -> tuple[str, ...]:
    """Characters that NFC may move or join to what stands before, or that belong to the grapheme cluster before.

    Characters that this Python does not know yet may be such: a newer table elsewhere may know them.
    """
    seconds = {key[-1] for key in compositions()}
    found = []
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        if 0xD800 <= point < 0xE000 or character == _SEPARATOR:
            continue
        category = unicodedata.category(character)
        if category[0] == "M" or category == "Cn" or unicodedata.combining(character) or character in seconds:
            found.append(character)
    return (*found, "\u200c", "\u200d", "\uff9e", "\uff9f")


def _is_hangul(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7a3"


def _contexts(contexts: Iterable[str]) -> str:
    single = [context for context in contexts if len(context) == 1]
    longer = sorted(context for context in contexts if len(context) > 1)
    return "|".join([*([_set(single)] if single else []), *map(_escaped, longer)])


def _set(characters: Iterable[str]) -> str:
    """A regular-expression class of the characters, in stretches."""
    points = sorted(set(map(ord, characters)))
    stretches: list[list[int]] = []
    for point in points:
        if stretches and stretches[-1][1] == point - 1:
            stretches[-1][1] = point
        else:
            stretches.append([point, point])
    inside = "".join(
        _escaped(chr(first)) if first == last else f"{_escaped(chr(first))}-{_escaped(chr(last))}"
        for first, last in stretches
        if not 0xD800 <= first < 0xE000
    )
    return f"[{inside}]"


def _escaped(text: str) -> str:
    return "".join(
        character if character.isascii() and character.isalnum() else f"\\x{{{ord(character):X}}}" for character in text
    )
