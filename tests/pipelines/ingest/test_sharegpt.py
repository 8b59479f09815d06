"""ShareGPT and its dialects: each gives its conversation, and each fault its reason or its repair."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.record import Message
from core import tables
from pipelines.ingest.sources.base import ParseFault, SourceOptions
from pipelines.ingest.sources.sharegpt import ROLES, ShareGpt, conversation
from pipelines.shards import plan


def parse(row, file="rows.json", **options):
    return ShareGpt(SourceOptions(**options)).parse(row, file)


def turns(row, **options):
    """The conversation as one line a turn."""
    return [f"{role}: {content}" for role, content in parse(row, **options).messages]


def chat(*spoken):
    """A row with a turn for each `speaker: text`."""
    return {"conversations": [dict(zip(("from", "value"), turn.split(": ", 1), strict=True)) for turn in spoken]}


def openai(*spoken):
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in spoken]


Q, A = "user: จะไปสถานีอย่างไร", "assistant: เดินตรงไป"
HUMAN, GPT = "human: จะไปสถานีอย่างไร", "gpt: เดินตรงไป"
TOOLS = '[{"name": "get_weather", "parameters": {"city": "string"}}]'
CALL = '{"name": "get_weather", "arguments": {"city": "القاهرة"}}'

DIALECTS = {
    "ShareGPT": (chat(HUMAN, GPT), [Q, A]),
    "several turns": (
        chat("human: Shalom", "gpt: שלום", "human: ומה?", "gpt: כלום"),
        ["user: Shalom", "assistant: שלום", "user: ומה?", "assistant: כלום"],
    ),
    "user and assistant": (chat(Q, A), [Q, A]),
    "chatgpt": (chat(HUMAN, "chatgpt: x"), [Q, "assistant: x"]),
    "bing": (chat(HUMAN, "bing: x"), [Q, "assistant: x"]),
    "bard": (chat(HUMAN, "bard: x"), [Q, "assistant: x"]),
    "user among human": (
        chat("human: a", "gpt: b", "user: c", "gpt: d"),
        ["user: a", "assistant: b", "user: c", "assistant: d"],
    ),
    "speakers in capitals": (chat("Human: a", " GPT : b"), ["user: a", "assistant: b"]),
    "items": ({"id": "x", "items": chat(HUMAN, GPT)["conversations"]}, [Q, A]),
    "messages": ({"messages": openai(Q, A)}, [Q, A]),
    "messages in parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "ሰላም"}], "loss_weight": 0.0},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "ጤና"}, {"type": "text", "text": "ይስጥልኝ"}],
                    "loss_weight": 1.0,
                },
            ]
        },
        ["user: ሰላም", "assistant: ጤና\nይስጥልኝ"],
    ),
    "pairs": (
        {
            "conversation_id": 1,
            "category": "Brainstorming",
            "conversation": [{"human": "你好", "assistant": "您好"}, {"human": "再见", "assistant": "再會"}],
        },
        ["user: 你好", "assistant: 您好", "user: 再见", "assistant: 再會"],
    ),
    "one text with marks": (
        {"id": 1, "lang": "ca", "text": "<|user|>: Com va? <|bot|>: Molt bé. <|user|>: Adéu <|bot|>: Fins aviat!"},
        ["user: Com va?", "assistant: Molt bé.", "user: Adéu", "assistant: Fins aviat!"],
    ),
    "one text with other marks": (
        {"text": "<|system|>\nBe kind.\n<|user|>\nHalo\n<|assistant|>\nHai <b>\n"},
        ["system: Be kind.", "user: Halo", "assistant: Hai <b>"],
    ),
    "Alpaca": ({"instruction": "Dịch", "input": "mèo", "output": "cat"}, ["user: Dịch\nmèo", "assistant: cat"]),
    "Alpaca without input": ({"instruction": "Dịch", "input": "", "output": "x"}, ["user: Dịch", "assistant: x"]),
    "Alpaca with history": (
        {"instruction": "c", "input": None, "output": "d", "history": [["a", "b"], ["e", "f"]], "system": "s"},
        ["system: s", "user: a", "assistant: b", "user: e", "assistant: f", "user: c", "assistant: d"],
    ),
    "prompt and response": ({"prompt": "a", "response": "b"}, ["user: a", "assistant: b"]),
    "prompt and completion": ({"prompt": "a", "completion": "b"}, ["user: a", "assistant: b"]),
    "a system turn": (chat("system: s", HUMAN, GPT), ["system: s", Q, A]),
    "a system column": ({**chat(HUMAN, GPT), "system": "s"}, ["system: s", Q, A]),
    "tools and calls": (
        {
            **chat(HUMAN, f"function_call: {CALL}", 'observation: {"t": 31}', "gpt: 31°"),
            "tools": TOOLS,
        },
        [f"system: {TOOLS}", Q, f"assistant: {CALL}", 'tool: {"t": 31}', "assistant: 31°"],
    ),
    "calls beside words": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "Let me see.", "tool_calls": [json.loads(CALL)]},
                {"role": "tool", "content": "31", "name": "get_weather"},
                {"role": "assistant", "content": "31°"},
            ]
        },
        ["user: q", "assistant: Let me see.", f"assistant: [{CALL}]", "tool: 31", "assistant: 31°"],
    ),
    "a call without words": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": None, "tool_calls": [json.loads(CALL)]},
            ]
        },
        ["user: q", f"assistant: [{CALL}]"],
    ),
    "tools as a list": ({**chat(HUMAN, GPT), "tools": json.loads(TOOLS)}, [f"system: {TOOLS}", Q, A]),
    "no tools": ({**chat(HUMAN, GPT), "tools": None, "system": ""}, [Q, A]),
    "chosen and rejected": (
        {
            **chat("system: s", HUMAN),
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
        ["system: s", Q, "assistant: good"],
    ),
    "chosen as text": ({"prompt": "q", "chosen": "good", "rejected": "bad"}, ["user: q", "assistant: good"]),
    "chosen as a turn": (
        {"instruction": "q", "input": "", "chosen": openai("assistant: good")[0], "rejected": None},
        ["user: q", "assistant: good"],
    ),
    "chosen as the whole conversation": (
        {
            "prompt": "q",
            "chosen": openai("user: q", "assistant: good"),
            "rejected": openai("user: q", "assistant: bad"),
        },
        ["user: q", "assistant: good"],
    ),
    "chosen as the whole conversation beside it": (
        {
            "prompt": "q",
            "messages": openai("user: q", "assistant: good"),
            "chosen": openai("user: q", "assistant: good"),
            "rejected": openai("user: q", "assistant: bad"),
        },
        ["user: q", "assistant: good"],
    ),
    "a prompt of turns": (
        {
            "prompt": openai("system: s", "user: q"),
            "chosen": openai("assistant: good"),
            "rejected": openai("assistant: bad"),
        },
        ["system: s", "user: q", "assistant: good"],
    ),
    "a prompt and a completion of turns": (
        {"prompt": openai("user: q"), "completion": openai("assistant: a")},
        ["user: q", "assistant: a"],
    ),
    "a list that is null before one that is not": ({"conversations": None, "messages": openai(Q, A)}, [Q, A]),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_its_conversation(dialect):
    row, expected = DIALECTS[dialect]
    assert turns(row) == expected
    assert parse(row).repairs == ()


REPAIRS = {
    "a chat that was split and begins with an answer": (
        chat("gpt: …wird fortgesetzt", "human: a", "gpt: b"),
        ["user: a", "assistant: b"],
        ("leading_answer_dropped",),
    ),
    "several answers at the start": (
        chat("gpt: x", "gpt: y", "human: a", "gpt: b"),
        ["user: a", "assistant: b"],
        ("leading_answer_dropped",),
    ),
    "a tool at the start": (
        chat("observation: x", "human: a", "gpt: b"),
        ["user: a", "assistant: b"],
        ("leading_answer_dropped",),
    ),
    "a question without an answer": (
        chat("human: a", "gpt: b", "human: c"),
        ["user: a", "assistant: b"],
        ("unanswered_question_dropped",),
    ),
    "two questions in a row": (
        chat("human: a", "human: b", "gpt: c"),
        ["user: a\n\nb", "assistant: c"],
        ("turns_merged",),
    ),
    "two answers in a row": (
        chat("human: a", "gpt: b", "bing: c"),
        ["user: a", "assistant: b\n\nc"],
        ("turns_merged",),
    ),
    "a turn without text": (
        chat("human: a", "gpt: ", "gpt: b", "human:  \n "),
        ["user: a", "assistant: b"],
        ("empty_turn_dropped",),
    ),
    "an answer of nothing between two questions": (
        chat("human: a", "gpt: ", "human: b", "gpt: c"),
        ["user: a\n\nb", "assistant: c"],
        ("empty_turn_dropped", "turns_merged"),
    ),
    "a tool's word at the end": (
        chat("human: a", f"function_call: {CALL}", "observation: x"),
        ["user: a", f"assistant: {CALL}"],
        (),
    ),
    "a system turn at the end": (chat("human: a", "gpt: b", "system: s"), ["user: a", "assistant: b"], ()),
    "a text of null": (
        {
            "conversations": [
                {"from": "human", "value": "a"},
                {"from": "gpt", "value": None},
                {"from": "gpt", "value": "b"},
            ]
        },
        ["user: a", "assistant: b"],
        ("empty_turn_dropped",),
    ),
    "a part of null": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": None}]},
                *openai("user: a", "assistant: b"),
            ]
        },
        ["user: a", "assistant: b"],
        ("empty_turn_dropped",),
    ),
}


@pytest.mark.parametrize("case", REPAIRS)
def test_what_can_be_kept_of_a_conversation_is_kept_and_its_repair_is_named(case):
    row, expected, repairs = REPAIRS[case]
    assert turns(row) == expected
    assert parse(row).repairs == repairs


FAULTS = {
    "no turns": ({"id": "a", "conversations": []}, "no_turns", ""),
    "no messages": ({"messages": []}, "no_turns", ""),
    "a question alone": (chat("human: a"), "no_answer", "user"),
    "an answer alone": (chat("gpt: a", "gpt: b"), "no_answer", "assistant assistant"),
    "a system turn alone": (chat("system: a"), "no_answer", "system"),
    "blanks alone": (chat("human:  ", "gpt: \n"), "no_answer", "user assistant"),
    "an unknown speaker": (chat("human: a", "moderator: b"), "unknown_role", "'moderator', expected one of system"),
    "no speaker": ({"conversations": [{"value": "a"}]}, "unknown_role", "''"),
    "a list that is none": ({"conversations": "human: a"}, "missing_field", "'conversations' is of type str"),
    "an object for a list": ({"messages": {"role": "user"}}, "missing_field", "'messages' is of type dict"),
    "turns that are texts": ({"conversations": ["a", "b"]}, "missing_field", "a turn of type str"),
    "a number for a text": ({"conversations": [{"from": "human", "value": 5}]}, "missing_field", "int"),
    "a picture": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "a"}]}
            ]
        },
        "missing_field",
        "pictures or sound",
    ),
    "another row": ({"question": "a", "réponse": "b"}, "missing_field", "which has: question, réponse"),
    "a text without marks": ({"text": "a plain text"}, "missing_field", "no conversation"),
    "an instruction without an answer": ({"instruction": "a", "input": "b"}, "missing_field", "no answer in the row"),
    "an empty answer": ({"instruction": "a", "output": ""}, "no_answer", "user"),
    "a history of texts": ({"instruction": "a", "output": "b", "history": ["x"]}, "missing_field", "'history'"),
    "a history that is a number": ({"instruction": "a", "output": "b", "history": 5}, "missing_field", "'history'"),
    "a history that is an object": (
        {"instruction": "a", "output": "b", "history": {"ab": 1}},
        "missing_field",
        "'history'",
    ),
    "a chosen number": ({"prompt": "a", "chosen": 5}, "missing_field", "'chosen' is of type int"),
    "a language of no name": ({**chat(HUMAN, GPT), "lang": "Dothraki"}, "unknown_language", "'Dothraki'"),
    "bytes for a text": ({"conversations": [{"from": "human", "value": b"\xff"}]}, "missing_field", "bytes"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_row_of_which_nothing_can_be_kept_says_why(case):
    row, reason, said = FAULTS[case]
    with pytest.raises(ParseFault) as caught:
        parse(row)
    assert caught.value.reason == reason and said in caught.value.detail


def test_ids_languages_and_data_sets_are_taken_from_wherever_a_dialect_has_them():
    parsed = parse({**chat(HUMAN, GPT), "id": "QWJhYvA_37", "lang": "th"}, "train.json")
    assert (parsed.source_id, parsed.declared.code, parsed.dataset, parsed.split) == (
        "QWJhYvA_37",
        "tha_Thai",
        "sharegpt",
        "train",
    )
    parsed = parse({"conversation_id": 7, "category": "Brainstorming", **chat(HUMAN, GPT), "language": "Thai"})
    assert (parsed.source_id, parsed.declared.code, parsed.dataset) == ("7", "tha_Thai", "Brainstorming")
    parsed = parse(chat(HUMAN, GPT), name="chats")
    assert (parsed.source_id, parsed.declared, parsed.dataset) == ("", None, "chats")
    assert (parsed.origin, parsed.license) == ("synthetic", "unknown")


speaker = st.sampled_from(sorted(set(ROLES.values()) - {"call"}))
spoken = st.lists(st.builds(Message, speaker, st.sampled_from(["", " ", "a", "b", "ก\n", "\n\nd"])), max_size=12)


@given(said=spoken)
@settings(max_examples=200, deadline=None)
def test_what_comes_out_is_a_conversation_in_the_order_of_the_turns(said):
    try:
        kept, _ = conversation(said)
    except ParseFault as fault:
        assert fault.reason == "no_answer"
        asked = [n for n, (role, text) in enumerate(said) if role == "user" and text.strip()]
        assert not asked or not any(role == "assistant" and text.strip() for role, text in said[asked[0] :])
        return
    roles = [role for role, _ in kept]
    assert next(role for role in roles if role != "system") == "user" and roles[-1] == "assistant"
    assert all(a != b or a == "tool" for a, b in itertools.pairwise(roles))
    # Every word from the first question to the last answer is there, in its order.
    sound = [turn for turn in said if turn.content.strip()]
    first = next(n for n, turn in enumerate(sound) if turn.role == "user")
    last = max(n for n, turn in enumerate(sound) if turn.role == "assistant")
    words = [text for role, text in sound[:first] if role == "system"] + [text for _, text in sound[first : last + 1]]
    assert "".join("".join(text.split()) for _, text in kept) == "".join("".join(text.split()) for text in words)
    assert conversation(kept) == (kept, ()), "a conversation needs no repair"


def through(path):
    """(parsed, raw row) of every row of a file, by plan, reader and parser."""
    for task in plan([(str(path), "utf-8")]).tasks:
        for piece in task.slices:
            for row in itertools.chain.from_iterable(tables.read(piece.slice)):
                assert not isinstance(row, tables.BadRow)
                yield parse(row.data, piece.slice.name), row.data


def raw_rows(path):
    text = path.read_text("utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def real_files(folder):
    return [path for path in sorted(folder.glob("*.json*")) if path.name != "dataset_info.json"]


def test_every_row_of_the_fastchat_file_becomes_the_conversation_that_it_is(shared):
    (path,) = real_files(shared("data/sharegpt_fastchat"))
    found = [(parsed.source_id, [(role, text) for role, text in parsed.messages]) for parsed, _ in through(path)]
    roles = {"human": "user", "gpt": "assistant"}
    assert found == [
        (row["id"], [(roles[turn["from"]], turn["value"]) for turn in row["conversations"]]) for row in raw_rows(path)
    ]
    assert len(found) >= 400


def test_every_row_of_the_llamafactory_files_becomes_a_conversation_and_tool_turns_survive(shared):
    for path in real_files(shared("data/sharegpt_llamafactory")):
        raw, found = raw_rows(path), list(through(path))
        assert [row for _, row in found] == raw and len(raw) >= 40
        for parsed, row in found:
            spoken = row.get("conversations") or row.get("messages") or []
            roles = Counter(turn.get("from") or turn.get("role") for turn in spoken)
            kept = Counter(role for role, _ in parsed.messages)
            assert kept["tool"] == roles["observation"] + roles["tool"], path.name
            calls = [turn["value"] for turn in spoken if turn.get("from") == "function_call"]
            assert all(Message("assistant", call) in parsed.messages for call in calls)
            if row.get("tools"):
                assert parsed.messages[0].role == "system" and row["tools"] in parsed.messages[0].content
            if not spoken:
                assert parsed.messages[-1] == Message("assistant", row["output"])
