"""The elements of a JSON array, one by one, from a text that may be huge, damaged or cut.

The element that is damaged is given as a piece of text, and reading goes on at the next place where an element that
looks like the others begins. Memory is bounded by the largest element.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TextIO

_DECODER: Final = json.JSONDecoder()
_BLANK: Final = re.compile(r"[\s,]*")
_NEXT: Final = re.compile(r"\}\s*,\s*(?=\{)")
_CHUNK: Final = 1 << 20
_ESCAPE: Final = 16  # longer than any escape sequence that the end of the window can cut in two


class Element(NamedTuple):
    """`value` is meaningless where there is a `fault`. `text` is what the element was read from."""

    value: Any
    text: str
    fault: str = ""
    cut: bool = False  # the array ended inside this element, or without its closing bracket


def elements(text: TextIO, limit: int) -> Iterator[Element]:
    """The elements of the one array that `text` holds. An element over `limit` characters is a fault."""
    window = _Window(text)
    keys: set[str] = set()
    if not window.skip(re.compile(r"[\s\ufeff]*\[")):
        yield Element(None, window.rest(limit), "no JSON array")
        return
    while True:
        window.skip(_BLANK)
        if window.at_end:
            yield Element(None, "", "the array is not closed", cut=True)
            return
        if window.starts_with("]"):
            return
        element = window.element(limit)
        if element is None:
            element = window.damaged(keys, limit)
        elif isinstance(element.value, dict):
            keys.update(element.value)
        yield element
        if element.cut:
            return


class _Window:
    """The part of the text between the end of the last element and the end of what was read so far."""

    def __init__(self, text: TextIO) -> None:
        self._file = text
        self._text = ""
        self._at = 0
        self._complete = False

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text) and not self._more()

    def starts_with(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Steps over the pattern; False where it does not match."""
        while True:
            match = pattern.match(self._text, self._at)
            # A match up to the end of the window may go on in what is not read yet.
            if (match is None or match.end() == len(self._text)) and self._more():
                continue
            if match is None:
                return False
            self._at = match.end()
            return True

    def element(self, limit: int) -> Element | None:
        """The JSON value at this place; None where there is none."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # An error at the end of the window, or a string without an end, may only mean: not all read yet.
                unfinished = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _ESCAPE
                if unfinished and len(self._text) - self._at <= limit and self._more(double=True):
                    continue
                return None
            except RecursionError:
                return None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            text, self._at = self._text[self._at : end], end
            if len(text) > limit:
                return Element(None, text[:limit], f"an element of {len(text)} characters, over the limit of {limit}")
            return Element(value, text)

    def damaged(self, keys: set[str], limit: int) -> Element:
        """The text up to the next element that has the keys of an earlier one, or up to the end."""
        self._text, self._at = self._text[self._at :], 0
        search = 0
        while True:
            match = _NEXT.search(self._text, search)
            if match is None:
                if len(self._text) <= limit and self._more(double=True):
                    continue
                piece, self._at = self._text, len(self._text)
                return Element(None, piece[:limit], "not JSON", cut=not self._more())
            search = match.end()
            try:
                value, _ = _DECODER.raw_decode(self._text, search)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and (not keys or keys & value.keys()):
                self._at = search
                return Element(None, self._text[: match.start() + 1], "not JSON")

    def rest(self, limit: int) -> str:
        while len(self._text) < limit and self._more():
            pass
        return self._text[:limit]

    def _more(self, double: bool = False) -> bool:
        """Reads on; drops what lies behind. False at the end of the file. `double` keeps re-reading linear."""
        if self._complete:
            return False
        held = self._text[self._at :]
        chunk = self._file.read(max(_CHUNK, len(held)) if double else _CHUNK)
        self._complete = not chunk
        self._text, self._at = held + chunk, 0
        return bool(chunk)
