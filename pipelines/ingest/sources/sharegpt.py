"""Parse ShareGPT and its dialects: conversations with a chat model, one a row, under many names.

    {"id", "conversations": [{"from", "value"}], "system", "tools"}    FastChat, LLaMA-Factory; once called "items"
    {"messages": [{"role", "content"}]}                                content is text, or parts of type text
    {"conversation": [{"human", "assistant"}]}                         a pair of turns an element
    {"conversations", "chosen", "rejected"}, {"prompt", "chosen"}      the chosen answer is the answer
    {"text": "<|user|>: ... <|bot|>: ..."}                             one string
    {"instruction", "input", "output", "history"}                      Alpaca

As much as possible of a conversation is kept. Turns before the first question and questions without an answer are left
out, and two turns of one speaker become one. `repairs` names these repairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collection.record import Message
from collection.reject import Reason
from pipelines.ingest.sources.base import Parsed, ParseFault, SourceKind, as_json, label, language_of, split_in_path
from pipelines.ingest.sources.conversation import CALL, conversation

# Speaker to role.
ROLES: Final = {
    "system": "system",
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function_call": CALL,
    "tool_call": CALL,
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
_MARKED_TURN: Final = re.compile(r"<\|(user|human|bot|assistant|system|prompter)\|>\s*:?\s*", re.IGNORECASE)


class ShareGpt(SourceKind):
    """Conversations in any dialect of ShareGPT. See the module."""

    help = "ShareGPT and its dialects: conversations with a chat model"
    default_name = "sharegpt"

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        turns = _turns(row)
        if not turns:
            raise ParseFault(Reason.NO_TURNS, "")
        preamble = [text for text in (_text(row.get("system")), _text(row.get("tools"))) if text]
        messages, repairs = conversation([Message("system", text) for text in preamble] + turns)
        return Parsed(
            messages,
            language_of(label(row, "lang", "language"), self._options.language),
            source_id=label(row, "id", "conversation_id"),
            dataset=label(row, "dataset", "category") or self.name,
            split=split_in_path(file),
            origin=self._options.origin or "synthetic",
            license=self._options.license or "unknown",
            repairs=repairs,
        )


_ANSWERS: Final = ("chosen", "output", "response", "answer", "completion")


def _turns(row: Mapping[str, Any]) -> list[Message]:
    """Return the turns of a row in any dialect, with the roles of a record."""
    for name in ("conversations", "messages", "items", "conversation"):
        value = row.get(name)
        if value is None:
            continue
        if not _is_list(value):
            raise ParseFault(
                Reason.MISSING_FIELD, f"{name!r} is of type {type(value).__name__}, expected a list of turns"
            )
        return _followed_by([message for turn in value for message in _messages(turn)], _turns_in(row, "chosen"))
    if isinstance(row.get("text"), str) and _MARKED_TURN.search(row["text"]):
        # re.split gives the text before the first mark, then a role and its content, and so on.
        parts = _MARKED_TURN.split(row["text"])[1:]
        return [_message(role, content.strip()) for role, content in zip(parts[::2], parts[1::2], strict=True)]
    if "instruction" in row or "prompt" in row:
        return _alpaca(row)
    have = ", ".join(map(str, list(row)[:12]))
    raise ParseFault(Reason.MISSING_FIELD, f"no conversation in the row, which has: {have}")


def _followed_by(turns: list[Message], answer: list[Message]) -> list[Message]:
    """Return the turns with the answer after them, or the answer alone if it repeats the whole conversation."""
    return answer if any(message.role == "user" for message in answer) else turns + answer


def _alpaca(row: Mapping[str, Any]) -> list[Message]:
    """Return the turns of instruction, input, output and history; or of prompt and answer, as text or as turns."""
    history = row.get("history") or ()
    if not _is_list(history) or not all(_is_list(pair) and len(pair) == 2 for pair in history):
        raise ParseFault(Reason.MISSING_FIELD, "'history' is not a list of question and answer pairs")
    past = [
        Message(role, _text(text)) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    if _is_list(row.get("prompt")) and not row.get("instruction"):
        question = _turns_in(row, "prompt", "user")
    else:
        texts = (_text(row.get("instruction")) or _text(row.get("prompt")), _text(row.get("input")))
        question = [Message("user", "\n".join(filter(None, texts)))]
    answers = [name for name in _ANSWERS if name in row]
    if not answers:
        have = ", ".join(map(str, list(row)[:12]))
        raise ParseFault(Reason.MISSING_FIELD, f"no answer in the row, which has: {have}")
    answer = next((name for name in answers if row[name] is not None), answers[0])
    return past + _followed_by(question, _turns_in(row, answer))


def _turns_in(row: Mapping[str, Any], name: str, role: str = "assistant") -> list[Message]:
    """Return the turns in a column: a turn, a list of turns, or the text of one; nothing without the column."""
    value = row.get(name)
    if value is None:
        return []
    if isinstance(value, Mapping):
        return _messages(value)
    if _is_list(value) and any(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in value):
        return [message for turn in value for message in _messages(turn)]
    if not isinstance(value, str) and not _is_list(value):
        raise ParseFault(Reason.MISSING_FIELD, f"{name!r} is of type {type(value).__name__}, expected text or turns")
    return [Message(role, _text(value))]


def _messages(turn: Any) -> list[Message]:
    if not isinstance(turn, Mapping):
        raise ParseFault(Reason.MISSING_FIELD, f"a turn of type {type(turn).__name__}, expected an object")
    if "human" in turn or ("assistant" in turn and "role" not in turn):
        return [Message("user", _text(turn.get("human"))), Message("assistant", _text(turn.get("assistant")))]
    role = label(turn, "from", "role")
    content = next((turn[name] for name in ("value", "content", "text") if turn.get(name) is not None), None)
    if not turn.get("tool_calls"):
        return [_message(role, _text(content))]
    spoken = [_message(role, _text(content))] if content else []
    return [*spoken, Message(CALL, _text(turn["tool_calls"]))]


def _message(role: str, content: str) -> Message:
    known = ROLES.get(role.strip().lower())
    if known is None:
        raise ParseFault(Reason.UNKNOWN_ROLE, f"{role!r}, expected one of {', '.join(ROLES)}")
    return Message(known, content)


def _text(value: Any) -> str:
    """Return the text of a turn: a string, or parts that are all text; calls and tools as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return as_json(value)
    if not _is_list(value):
        raise ParseFault(Reason.MISSING_FIELD, f"a turn's text is of type {type(value).__name__}")
    kinds = [str(part.get("type", "")) if isinstance(part, Mapping) else "" for part in value]
    if all(kind == "text" for kind in kinds):
        texts = (next((part[name] for name in ("text", "value", "content") if name in part), None) for part in value)
        return "\n".join(text if isinstance(text, str) else _text(text) for text in texts)
    if any(kind.startswith(("image", "audio", "video")) for kind in kinds):
        raise ParseFault(Reason.MISSING_FIELD, "a turn holds pictures or sound, expected text alone")
    return as_json(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
