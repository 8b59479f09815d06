"""Make a conversation to learn from out of recorded turns."""

from __future__ import annotations

from collections.abc import Sequence

from collection.record import Message
from collection.reject import Reason
from pipelines.ingest.sources.base import ParseFault

# A call of a tool: an assistant's turn that is not merged with its text.
CALL = "call"


def conversation(turns: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return the turns that are a conversation, and the names of the repairs.

    A conversation may begin with system turns. Its first other turn is a user's, its last an answer of the assistant.

    Raises:
        ParseFault: No turn can be kept.
    """
    repairs: dict[str, None] = {}
    kept: list[Message] = []
    for role, content in turns:
        if not content.strip():
            repairs["empty_turn_dropped"] = None
        elif role in ("assistant", CALL, "tool") and not any(message.role == "user" for message in kept):
            repairs["leading_answer_dropped"] = None
        elif kept and kept[-1].role == role and role in ("user", "assistant", "system"):
            repairs["turns_merged"] = None
            kept[-1] = Message(role, f"{kept[-1].content}\n\n{content}")
        else:
            kept.append(Message(role, content))
    while kept and kept[-1].role not in ("assistant", CALL):
        if kept.pop().role == "user":
            repairs["unanswered_question_dropped"] = None
    if not kept:
        roles = " ".join(message.role for message in turns[:12])
        raise ParseFault(Reason.NO_ANSWER, f"turns: {roles}")
    return tuple(
        Message("assistant", content) if role == CALL else Message(role, content) for role, content in kept
    ), tuple(repairs)
