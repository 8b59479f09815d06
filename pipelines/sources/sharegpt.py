"""ShareGPT and its dialects: conversations with a chat model, one a row, under many names.

    {"id", "conversations": [{"from", "value"}], "system", "tools"}    FastChat, LLaMA-Factory; once called "items"
    {"messages": [{"role", "content"}]}                                content is text, or parts of type text
    {"conversation": [{"human", "assistant"}]}                         a pair of turns an element
    {"conversations", "chosen", "rejected"}, {"prompt", "chosen"}      the chosen answer is the answer
    {"text": "<|user|>: ... <|bot|>: ..."}                             one string
    {"instruction", "input", "output", "history"}                      Alpaca

What can be kept of a conversation is kept: turns before the first question and questions without an answer are left
out, two turns of one speaker become one. `repairs` says what was done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collection.record import Message
from collection.reject import Reason
from pipelines.sources.source import Parsed, ParseFault, SourceOptions, label, language_of, split_in_path

# Speaker to role. A `call` of a tool is the assistant's, but is not joined to what it says beside it.
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
    "function_call": "call",
    "tool_call": "call",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
_MARKED_TURN: Final = re.compile(r"<\|(user|human|bot|assistant|system|prompter)\|>\s*:?\s*", re.IGNORECASE)


class ShareGpt:
    """See the module."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self.name = options.name or "sharegpt"

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


def conversation(turns: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The part of the turns that is a conversation, and what was repaired. ParseFault where nothing can be kept.

    A conversation may begin with system turns, then a user's turn comes first, and an answer of the assistant last.
    """
    repairs: dict[str, None] = {}
    kept: list[Message] = []
    for role, content in turns:
        if not content.strip():
            repairs["empty_turn_dropped"] = None
        elif role in ("assistant", "call", "tool") and not any(message.role == "user" for message in kept):
            repairs["leading_answer_dropped"] = None
        elif kept and kept[-1].role == role and role in ("user", "assistant", "system"):
            repairs["turns_merged"] = None
            kept[-1] = Message(role, f"{kept[-1].content}\n\n{content}")
        else:
            kept.append(Message(role, content))
    while kept and kept[-1].role not in ("assistant", "call"):
        if kept.pop().role == "user":
            repairs["unanswered_question_dropped"] = None
    if not kept:
        roles = " ".join(message.role for message in turns[:12])
        raise ParseFault(Reason.NO_ANSWER, f"turns: {roles}")
    return tuple(
        Message("assistant", content) if role == "call" else Message(role, content) for role, content in kept
    ), tuple(repairs)


def _turns(row: Mapping[str, Any]) -> list[Message]:
    """The turns of a row in whichever dialect it is written, with roles as ours."""
    for name in ("conversations", "messages", "items", "conversation"):
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise ParseFault(
                Reason.MISSING_FIELD, f"{name!r} is of type {type(value).__name__}, expected a list of turns"
            )
        turns = [message for turn in value for message in _messages(turn)]
        return turns + _chosen(row)
    if isinstance(row.get("text"), str) and _MARKED_TURN.search(row["text"]):
        # re.split gives the text before the first mark, then role and content in turn.
        pieces = _MARKED_TURN.split(row["text"])[1:]
        return [_message(role, content.strip()) for role, content in zip(pieces[::2], pieces[1::2], strict=True)]
    if "instruction" in row or "prompt" in row:
        return _alpaca(row)
    have = ", ".join(map(str, list(row)[:12]))
    raise ParseFault(Reason.MISSING_FIELD, f"no conversation in the row, which has: {have}")


def _messages(turn: Any) -> list[Message]:
    if not isinstance(turn, Mapping):
        raise ParseFault(Reason.MISSING_FIELD, f"a turn of type {type(turn).__name__}, expected an object")
    if "human" in turn or ("assistant" in turn and "role" not in turn):
        return [Message("user", _text(turn.get("human"))), Message("assistant", _text(turn.get("assistant")))]
    role = label(turn, "from", "role")
    content = next((turn[name] for name in ("value", "content", "text") if turn.get(name) is not None), None)
    messages = [_message(role, _text(content))]
    if turn.get("tool_calls"):
        messages.append(Message("call", _text(turn["tool_calls"])))
    return messages


def _message(role: str, content: str) -> Message:
    known = ROLES.get(role.strip().lower())
    if known is None:
        raise ParseFault(Reason.UNKNOWN_ROLE, f"{role!r}, expected one of {', '.join(ROLES)}")
    return Message(known, content)


def _chosen(row: Mapping[str, Any]) -> list[Message]:
    chosen = row.get("chosen")
    if chosen is None:
        return []
    if isinstance(chosen, str):
        return [Message("assistant", chosen)]
    if isinstance(chosen, Mapping):
        return _messages(chosen)
    if isinstance(chosen, Sequence):
        return [message for turn in chosen for message in _messages(turn)]
    raise ParseFault(Reason.MISSING_FIELD, f"'chosen' is of type {type(chosen).__name__}, expected a turn")


def _alpaca(row: Mapping[str, Any]) -> list[Message]:
    turns: list[Message] = []
    for pair in row.get("history") or ():
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ParseFault(Reason.MISSING_FIELD, "'history' is not a list of question and answer pairs")
        turns += [Message("user", _text(pair[0])), Message("assistant", _text(pair[1]))]
    question = "\n".join(
        filter(None, (_text(row.get("instruction")) or _text(row.get("prompt")), _text(row.get("input"))))
    )
    chosen = _chosen(row)
    if not chosen and not any(name in row for name in ("output", "response", "answer", "completion")):
        have = ", ".join(map(str, list(row)[:12]))
        raise ParseFault(Reason.MISSING_FIELD, f"no answer in the row, which has: {have}")
    answer = chosen or [
        Message(
            "assistant",
            _text(next((row[name] for name in ("output", "response", "answer", "completion") if name in row), None)),
        )
    ]
    # A chosen list may hold the whole conversation, question included.
    return turns + (
        answer if any(message.role == "user" for message in answer) else [Message("user", question), *answer]
    )


def _text(value: Any) -> str:
    """The text of a turn: a string, or parts that are all text; calls and tools as the JSON that they are."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in value):
        return "\n".join(
            str(next((part[name] for name in ("text", "value", "content") if name in part), "")) for part in value
        )
    if isinstance(value, Sequence) and any(
        isinstance(part, Mapping) and str(part.get("type", "")).startswith(("image", "audio", "video"))
        for part in value
    ):
        raise ParseFault(Reason.MISSING_FIELD, "a turn holds pictures or sound, expected text alone")
    if isinstance(value, Mapping | Sequence):
        import json

        return json.dumps(value, ensure_ascii=False)
    raise ParseFault(Reason.MISSING_FIELD, f"a turn's text is of type {type(value).__name__}")
