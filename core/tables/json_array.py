"""Read the elements of a JSON array one by one, from a text that may be huge, damaged or cut.

A damaged element is given as text, and reading goes on where the next element begins. That is an object after a comma
whose first key is the first key of the damaged or of the last element, and not the first key of objects inside it. If
the keys do not decide, the next 1 Mi characters must be elements and the end of the array. So an inner object, such as
a turn of a conversation, counts as an element only if damage made it one. The limit on an element bounds the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TextIO

_DECODER: Final = json.JSONDecoder()
_BEGIN: Final = re.compile(r"[\s\ufeff]*\[")
_BLANK: Final = re.compile(r"\s*")
_BETWEEN: Final = re.compile(r"[\s,]*")
_KEY: Final = r'"(?:[^"\\]|\\.)*+"'
_FIRST_KEY: Final = re.compile(rf"\{{\s*+({_KEY})\s*+:")
_NEXT: Final = re.compile(rf",\s*+(?=\{{\s*+({_KEY})\s*+:)")
_INNER: Final = re.compile(rf"\[\s*+\{{\s*+({_KEY})\s*+:")
_INNER_END: Final = re.compile(r"\]\s*[,}\]]")
_CHUNK: Final = 1 << 20
_ESCAPE: Final = 16  # longer than any escape sequence that the end of the window can cut in two
_OVERLAP: Final = 1 << 12  # longer than a first key with all before it


class Element(NamedTuple):
    """An element of an array. `value` is meaningless if there is a `fault`. `text` is the text of the element."""

    value: Any
    text: str
    fault: str = ""
    cut: bool = False  # the array ended inside this element, or without its closing bracket


def elements(text: TextIO, limit: int) -> Iterator[Element]:
    """Yield the elements of the array that `text` holds. An element over `limit` characters is a fault.

    Text after the end of the array is read as if it were inside, also the elements of further arrays.
    """
    window = _Window(text)
    if not window.skip(_BEGIN):
        yield Element(None, window.rest(limit), "no JSON array")
        return
    last = ""
    is_open = True
    while True:
        window.skip(_BETWEEN)
        if window.at_end:
            if is_open:
                yield Element(None, "", "the array is not closed", cut=True)
            return
        if window.starts_with("[" if not is_open else "]"):
            is_open = not is_open
            window.step()
            continue
        element = window.element(limit)
        if element is None:
            element = window.damaged(_first_key(last), limit, is_open)
        else:
            last = element.text
        yield element
        if element.cut:
            return


class _Window:
    """The part of the text between the end of the last element and the end of what is read so far."""

    def __init__(self, text: TextIO) -> None:
        self._file = text
        self._text = ""
        self._at = 0
        self._complete = False
        self._error_at = 0  # where the parser stopped in the element that it could not read

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text) and not self._more()

    def starts_with(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def step(self) -> None:
        self._at += 1

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Step over the pattern; return False if it does not match."""
        while True:
            match = pattern.match(self._text, self._at)
            # A match up to the end of the window may go on in text that is not read yet.
            if (match is None or match.end() == len(self._text)) and self._more():
                continue
            if match is None:
                return False
            self._at = match.end()
            return True

    def element(self, limit: int) -> Element | None:
        """Return the JSON value at the current position; None at the end."""
        while True:
            value, end, error_at = _decode(self._text, self._at)
            # An error at the end of the window, or a string without an end, may mean that the rest is not read yet.
            if end is None:
                unfinished = error_at > len(self._text) - _ESCAPE
                if unfinished and len(self._text) - self._at <= limit and self._more(double=True):
                    continue
                self._error_at = error_at - self._at
                return None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            text, self._at = self._text[self._at : end], end
            return (
                Element(None, text[:limit], _too_long(len(text), limit)) if len(text) > limit else Element(value, text)
            )

    def damaged(self, last_key: str, limit: int, is_open: bool) -> Element:
        """Return the text up to the beginning of the next element, or up to the end."""
        self._text, self._at = self._text[self._at :], 0
        first_keys = {last_key, _first_key(self._text)}
        inner_keys: set[str] = set()  # of objects that begin a list within
        head, dropped = "", 0  # of the text that has left the window: its beginning, its size
        search = seen = 0
        end: int | None = None
        while end is None:
            match = _NEXT.search(self._text, search)
            upto = match.start() if match else max(seen, len(self._text) - _OVERLAP)
            inner_keys.update(_INNER.findall(self._text, seen, upto))
            seen = upto
            if match:
                is_next, search = self._is_next(match, first_keys, inner_keys)
                if is_next:
                    end = self._at = match.start()
            elif len(self._text) > limit + _OVERLAP:
                head, dropped, self._at = head + self._text[: min(upto, limit - len(head))], dropped + upto, upto
                search = seen = self._error_at = 0
                self._drop()
            else:
                search = max(search, upto)
                end = None if self._more(double=True) else len(self._text)
        at_end = match is None
        if at_end:
            self._at = end = self._end_of_array() if is_open else end
        cut = at_end and is_open and end == len(self._text)
        text, size = (head + self._text[: min(end, limit)])[:limit], dropped + end
        return Element(None, text, _too_long(size, limit) if size > limit else "not JSON", cut)

    def rest(self, limit: int) -> str:
        while len(self._text) < limit and self._more():
            pass
        return self._text[:limit]

    def _is_next(self, match: re.Match[str], first_keys: set[str], inner_keys: set[str]) -> tuple[bool, int]:
        """Return whether the next element begins at the match, and where to search on if it does not."""
        is_first, is_inner = match[1] in first_keys, match[1] in inner_keys
        if is_inner and not is_first:
            return False, match.end()
        return self._goes_on(match.end(), if_damaged=not is_inner, if_cut=is_first and not is_inner)

    def _goes_on(self, at: int, if_damaged: bool, if_cut: bool) -> tuple[bool, int]:
        """Return whether only elements follow, up to the end of the array or of the look-ahead, and how far it read.

        If damage or a cut hides the answer, it is `if_damaged` or `if_cut`. It holds for all positions up to there.
        """
        while len(self._text) - at < _CHUNK and self._more():
            pass
        last = at + _CHUNK
        while at < last:
            _, end, error_at = _decode(self._text, at)
            if end is None:
                unfinished = error_at > len(self._text) - _ESCAPE
                return (not self._complete or if_cut if unfinished else if_damaged), at
            at = _skip(_BLANK, self._text, end)
            if at == len(self._text):
                return not self._complete or if_cut, at
            if not self._text.startswith(",", at):
                return self._text.startswith("]", at) and not _INNER_END.match(self._text, at), at
            at = _skip(_BETWEEN, self._text, at)
        return True, at

    def _end_of_array(self) -> int:
        """Return where the array closes after a damaged last element; the end of the text if it was cut."""
        text = self._text.rstrip()
        return len(text) - 1 if text.endswith("]") and self._error_at < len(text) else len(self._text)

    def _drop(self) -> None:
        self._text, self._at = self._text[self._at :], 0

    def _more(self, double: bool = False) -> bool:
        """Read on, and drop the text before the position. Return False at the end. `double` keeps re-reading linear."""
        if self._complete:
            return False
        self._drop()
        chunk = self._file.read(max(_CHUNK, len(self._text)) if double else _CHUNK)
        self._complete = not chunk
        self._text += chunk
        return bool(chunk)


def _decode(text: str, at: int) -> tuple[Any, int | None, int]:
    """Return the JSON value at a position, its end, and 0; or None, None, and where the parser stopped."""
    try:
        value, end = _DECODER.raw_decode(text, at)
        return value, end, 0
    except json.JSONDecodeError as error:
        return None, None, len(text) if error.msg.startswith("Unterminated") else error.pos
    except (ValueError, RecursionError):  # a number of too many digits, brackets too deep
        return None, None, at


def _first_key(text: str) -> str:
    """Return the first key of an object, as it is spelled; "" for any other text."""
    match = _FIRST_KEY.match(text)
    return match[1] if match else ""


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _too_long(size: int, limit: int) -> str:
    return f"an element of {size} characters, over the limit of {limit}"
