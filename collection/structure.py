"""What of a text is translated, and what must come through as it is.

A text becomes literal parts and segments, a sentence each. Code blocks, formulas and markup on lines of their own, line
ends, indents, list marks and blanks are literal. Inside a segment stand marks, one character each, for what is no
language: links, placeholders, tags, inline code and formulas. A translator must give each mark back once.

    >>> text = dissect("- See `x = 1` at https://a.org/b.\\n\\n```\\ncode\\n```", None)
    >>> [segment.text for segment in text.segments]
    ['See \\ue000 at']
    >>> text.joined(["Véase \\ue000 en"])
    '- Véase `x = 1` en https://a.org/b.\\n\\n```\\ncode\\n```'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from collection.languages import Language
from collection.scripts import SCRIPTS, Script
from collection.sentences import sentences

FIRST_MARK: Final = 0xE000
_MARKS: Final = 0x1900  # the private use area: text has none of its own, and where it has it is protected itself
MARK: Final = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence to be translated. `spans` are what its marks stand for, in their order."""

    text: str
    spans: tuple[str, ...] = ()

    @property
    def marks(self) -> list[str]:
        return MARK.findall(self.text)

    def keeps_marks(self, translation: str) -> bool:
        """Whether a translation has each mark once and no other."""
        return sorted(MARK.findall(translation)) == sorted(self.marks)

    def fragments(self) -> list[str]:
        """Return the text between the marks, and the marks themselves, for a translator that loses them."""
        return [piece for piece in re.split("([\ue000-\uf8ff])", self.text) if piece]

    def filled(self, translation: str) -> str:
        """Return a translation with its marks replaced by their content."""
        spans = dict(zip(self.marks, self.spans, strict=True))
        return MARK.sub(lambda mark: spans.get(mark[0], ""), translation)


@dataclass(frozen=True, slots=True)
class Text:
    """A text taken apart: literal strings, and numbers of segments."""

    parts: tuple[str | int, ...]
    segments: tuple[Segment, ...]

    def joined(
        self, translations: Sequence[str], source: Language | None = None, target: Language | None = None
    ) -> str:
        """Return the text with a translation, marks and all, in the place of each segment.

        If source and target are given, sentences are separated as in the target.
        """
        parts = self.parts if source is None or target is None else self._spaced(source.script, target.script)
        return "".join(
            part if isinstance(part, str) else self.segments[part].filled(translations[part]) for part in parts
        )

    def _spaced(self, source: Script, target: Script) -> Sequence[str | int]:
        """Return the parts, with the blanks between segments that the target language uses."""
        runs_on = target.code in _RUN_ON
        if not source.spaced and not runs_on:
            pairs = zip(self.parts, (*self.parts[1:], ""), strict=True)
            return [one for part, after in pairs for one in _apart(part, after)]
        if runs_on and source.code not in _RUN_ON:
            around = zip(("", *self.parts[:-1]), self.parts, (*self.parts[1:], ""), strict=True)
            return [
                part
                for before, part, after in around
                if not (part == " " and isinstance(before, int) and isinstance(after, int))
            ]
        return self.parts


# Scripts that set no blank behind a sentence either. Thai and its like set none between words, but one there.
_RUN_ON: Final = frozenset(("Hans", "Hant", "Hani", "Jpan", "Hira", "Kana"))


def _apart(part: str | int, after: str | int) -> tuple[str | int, ...]:
    return (part, " ") if isinstance(part, int) and isinstance(after, int) else (part,)


def dissect(text: str, language: Language | None, most: int = 0, *, sentencewise: bool = True) -> Text:
    """Return a text split into sentences, or into whole lines.

    Sentences are no longer than `most` characters of English, 0 for any length.
    """
    parts: list[str | int] = []
    segments: list[Segment] = []
    for piece, literal in _blocks(text):
        if literal:
            parts.append(piece)
            continue
        for line in re.split(r"(\n+)", piece):
            for found in _line(line, partial(sentences, language=language, most=most) if sentencewise else _whole):
                if isinstance(found, str):
                    parts.append(found)
                else:
                    parts.append(len(segments))
                    segments.append(found)
    return Text(tuple(part for part in parts if part != ""), tuple(segments))


Splitter = Callable[[str], Sequence[str]]


def _whole(text: str) -> list[str]:
    return [text] if text else []


def protected(text: str) -> list[str]:
    """All that must be found again in a translation: blocks and inline pieces that are no language."""
    found = []
    for piece, literal in _blocks(text):
        found += [piece.strip()] if literal else [match[0] for match in _INLINE.finditer(piece)]
    return found


def is_code(text: str) -> bool:
    """Whether a text is code between fences, with no letter beside it."""
    pieces = [(piece, literal and _FENCED.match(piece)) for piece, literal in _blocks(text)]
    return any(fenced for _, fenced in pieces) and not any(
        map(str.isalpha, "".join([piece for piece, fenced in pieces if not fenced]))
    )


# A fence without an end may have prose behind it.
_FENCED: Final = re.compile(r"[ \t]*(```+|~~~+)[^\n]*\n(?:.*\n)?[ \t]*\1[`~]*[ \t]*\Z", re.DOTALL)


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Pieces of a text, and whether each is literal."""
    end = 0
    for block in _BLOCK.finditer(text):
        if block.start() > end:
            yield text[end : block.start()], False
        yield block[0], True
        end = block.end()
    if end < len(text):
        yield text[end:], False


# Nothing reaches over another beginning of its kind: many beginnings without an end are then read once, and fast. The
# first one is code between fences.
_BLOCK: Final = re.compile(
    r"^[ \t]*(?P<fence>```+(?=[^`\n]*$)|~~~+)[^\n]*(?:\n.*?)??(?:\n[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|<(?P<tag>pre|code|script|style|math|svg)\b[^<>]*>(?:(?!<(?P=tag)\b).)*?</(?P=tag)\s*>"
    r"|<!--(?:(?!<!--).)*?-->"
    r"|\$\$.+?\$\$|(?<!\\)\\\[(?:(?!(?<!\\)\\\[).)+?\\\]"
    r"|\\begin\{(?P<environment>[a-zA-Z*]{1,30})\}(?:(?!\\begin\{(?P=environment)\}).){0,20000}?\\end\{(?P=environment)\}",
    re.DOTALL | re.MULTILINE,
)

# A word goes on without a blank into the next one where a script has none: there, a mark ends with its own characters.
_UNSPACED: Final = "".join(script.characters for script in SCRIPTS.values() if not script.spaced)
_WORD: Final = rf"[^\W{_UNSPACED}]"
_PLAIN: Final = "A-Za-z0-9_"
_ACCENTED: Final = r"\u00c0-\u024f"
_NO_MORE: Final = rf"(?![{_PLAIN}{_ACCENTED}])"
_NO_URL: Final = rf"\s<>\"'`\u2018-\u201f\u2026\u3000-\u303f\uff00-\uff65{_UNSPACED}"
_URL: Final = rf"[^{_NO_URL}]*[^{_NO_URL}.,;:!?)\]}}*।۔።]"
_INLINE: Final = re.compile(
    "|".join(
        (
            r"(?<!`)(?P<tick>`+)(?!`)[^\n]+?(?<!`)(?P=tick)(?!`)",
            r"(?<!\\)\\\((?:(?!(?<!\\)\\\().)+?\\\)",  # formulas
            r"\$(?![\s\d.,]+(?:\s|$))[^\s$](?:[^$\n]{0,200}?[^\s$\\])?\$(?!\d)",  # and these, not prices
            r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"\n]*\")?\)",  # the end of a link in Markdown
            rf"(?:https?|ftp|file)://{_URL}|(?<!{_WORD})www\.{_URL}",
            rf"(?<![{_PLAIN}.+-])[{_PLAIN}.+-]{{1,64}}@[{_PLAIN}-]+(?:\.[{_PLAIN}-]+)+",
            r"<\|[^|<>\n]{1,80}\|>|</?[a-zA-Z!][^<>\n]{0,300}>|<<[A-Z_ ]{1,60}>>",
            r"\{\{[^{}\n]{1,200}\}\}|\$?\{[\w.$:\[\]'\"-]{0,80}\}",
            r"\[[A-Z][A-Z0-9_ ]{1,40}\](?!\()|<[A-Z][A-Z0-9_]{1,40}>",  # [MASK], <NAME>
            rf"%\(\w+\)[a-z]|%\d+\$[a-z]|%[-+0#]?\d*(?:\.\d+)?[sdfiuxX](?!%){_NO_MORE}",
            r"&(?:[a-zA-Z]{2,10}|#\d{2,6});",
            rf"(?<!{_WORD})(?<![@#])[@#](?={_WORD}*[^\W\d_{_UNSPACED}]){_WORD}+",  # @name and #word
            r"\\[a-zA-Z]+(?:\{[^{}\n]{0,100}\})*",  # \alpha, \frac{a}{b}
            rf"(?<!{_WORD})(?<!\.)(?:~|\.{{1,2}})?/(?:(?:{_WORD}|[.-])+/)+(?:{_WORD}|[.-])*{_WORD}",  # paths
            rf"(?<!{_WORD})[A-Za-z][A-Za-z0-9{_ACCENTED}]*(?:_+[A-Za-z0-9{_ACCENTED}]+)+_*{_NO_MORE}",  # names of code
            rf"(?<!{_WORD})[A-Za-z_][{_PLAIN}]*\(\)",
            r"\*+|__+|~~+",  # emphasis
            r"[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff][\ufe0f\u200d\u20e3\U0001f000-\U0001faff\u2640\u2642]*",
            r"[\ue000-\uf8ff]",
        )
    )
)
# What a line may begin with: quotes, bullets, numbers, headings, boxes to tick.
_LINE_MARKS: Final = re.compile(
    r"[ \t]*(?:(?:>+|[-+*•‣◦▪·–—]|#{1,6}|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]"
    r"|（\d{1,3}）|\d{1,3}[、．]|\[[ xX]\])[ \t\u3000]+"
    r"|\d{1,3}[、．])*"
)
_CELLS: Final = re.compile(r"(\t+|(?<![ \t])[ \t]+(?=\|)|\|+[ \t]*)")
_HEAD: Final = re.compile("(?:[\\s\ue000-\uf8ff]|(?<=[\ue000-\uf8ff])[^\\w\\s\"'“”‘’«»(¿¡])*")


def _edges(sentence: str) -> tuple[str, str, str]:
    """Return a sentence without the marks and blanks around it, then both of these."""
    found = _HEAD.match(sentence)
    head = found[0] if found else ""
    body = sentence[len(head) :].rstrip()
    core = body.rstrip(".,;:!?।。؟")
    if MARK.match(core[-1:]):
        body = core
    while body and (body[-1].isspace() or MARK.match(body[-1])):
        body = body[:-1].rstrip()
    return head, body, sentence[len(head) + len(body) :]


def _line(line: str, split: Splitter) -> Iterator[str | Segment]:
    """Yield the literal pieces and segments of one line."""
    if not any(map(str.isalpha, line)):
        yield line
        return
    begin = _LINE_MARKS.match(line)
    head = begin[0] if begin else ""
    yield head
    rest = line[len(head) :]
    is_row = rest.lstrip().startswith("|") or "\t" in rest
    for cell in _CELLS.split(rest) if is_row else (rest,):
        yield from _cell(cell, split)


def _cell(text: str, split: Splitter) -> Iterator[str | Segment]:
    spans: list[str] = []

    def mark(found: re.Match[str]) -> str:
        spans.append(found[0])
        return chr(FIRST_MARK + (len(spans) - 1) % _MARKS)

    masked = _INLINE.sub(mark, text)
    if len(spans) > _MARKS:  # no text, but a mountain of markup
        yield text
        return
    for sentence in split(masked):
        head, body, tail = _edges(sentence)
        whole = Segment(
            "".join(MARK.findall(sentence)), tuple(spans[ord(one) - FIRST_MARK] for one in MARK.findall(sentence))
        )
        if not any(map(str.isalpha, MARK.sub("", body))):
            yield whole.filled(sentence)
            continue
        yield whole.filled(head)
        yield Segment(body, tuple(spans[ord(one) - FIRST_MARK] for one in MARK.findall(body)))
        yield whole.filled(tail)
