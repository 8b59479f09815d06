"""JSON arrays: every element comes back; what is cut or damaged is one fault, and its neighbours are kept."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.tables.json_array import elements

LIMIT = 1 << 26
CHATS = [
    {"id": f"QWJhYvA_{n}", "conversations": [{"from": speaker, "value": value} for speaker, value in turns]}
    for n, turns in enumerate(
        [
            [("human", "مرحبا، كيف حالك؟"), ("gpt", "بخير، شكرا."), ("human", "مع السلامة"), ("gpt", "وداعا")],
            [("human", "สวัสดี"), ("gpt", "สวัสดีครับ"), ("human", "ลาก่อน"), ("gpt", "แล้วเจอกัน")],
            [("human", "Kaixo, zer moduz?"), ("gpt", "Ondo, eta zu?"), ("human", "Agur"), ("gpt", "Agur! 👋🏽")],
            [("human", "नमस्ते"), ("gpt", "नमस्ते! {कैसे} [हो]?"), ("human", "ठीक"), ("gpt", "अच्छा")],
        ]
    )
]


class Trickle(io.StringIO):
    """A file that gives a limited number of characters at a time, so that the end of the read text can be anywhere."""

    def __init__(self, text, most):
        super().__init__(text)
        self.most = most

    def read(self, size=-1):
        return super().read(self.most)


def read(text, most=1 << 20, limit=LIMIT):
    return list(elements(Trickle(text, most), limit))


def values(found):
    return [element.value for element in found if not element.fault]


def faults(found):
    return [element for element in found if element.fault]


blank = st.text(" \t\r\n", max_size=3)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), anything, max_size=4)


@given(rows=st.lists(objects, max_size=6), data=st.data(), most=st.integers(1, 200), escaped=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_list_of_objects_comes_back_equal_whatever_its_blanks_and_blocks(rows, data, most, escaped):
    indent = data.draw(st.sampled_from([None, 0, 2, "\t"]))
    pieces = [json.dumps(row, ensure_ascii=escaped, indent=indent) for row in rows]
    padded = [data.draw(blank) + piece + data.draw(blank) for piece in pieces]
    text = data.draw(blank) + "[" + (",".join(padded) or data.draw(blank)) + "]" + data.draw(blank)
    found = read(text, most)
    assert values(found) == rows and not faults(found)
    assert [element.text for element in found] == pieces


@given(rows=st.lists(st.dictionaries(st.text(max_size=3), st.text()), min_size=1, max_size=5), data=st.data())
@settings(max_examples=150, deadline=None)
def test_an_array_cut_anywhere_gives_the_elements_before_the_cut_and_one_that_is_cut(rows, data):
    pieces = [json.dumps(row, ensure_ascii=data.draw(st.booleans())) for row in rows]
    text = "[" + ",\n".join(pieces) + "]"
    cut = data.draw(st.integers(1, len(text) - 1))
    ends = [1 + sum(map(len, pieces[: n + 1])) + 2 * n for n in range(len(pieces))]
    *whole, last = read(text[:cut], data.draw(st.integers(1, 100)))
    assert [element.value for element in whole] == rows[: sum(end <= cut for end in ends)] and not faults(whole)
    assert last.fault and last.cut


@given(cut=st.integers(1, len(json.dumps(CHATS, ensure_ascii=False)) - 1))
@settings(max_examples=150, deadline=None)
@example(cut=150)  # in the third turn of the first conversation
def test_conversations_cut_anywhere_give_no_turn_as_an_element(cut):
    text = json.dumps(CHATS, ensure_ascii=False)
    *whole, last = read(text[:cut])
    assert [element.value for element in whole] == CHATS[: len(whole)]
    assert last.cut and not any("from" in (element.value or {}) for element in whole)
    assert sum(len(element.text) for element in [*whole, last]) >= cut - 1 - 2 * len(whole), "no text is lost"


DAMAGES = {
    "a comma is missing": lambda row: row.replace(", ", " ", 1),
    "a quote is missing": lambda row: row.replace('"value"', '"value', 1),
    "a quote is missing in the last turn": lambda row: row[::-1].replace('"eulav"', 'eulav"', 1)[::-1],
    "a raw line end stands in a text": lambda row: row.replace(": ", ': "\n', 1),
    "a control character stands in a text": lambda row: row.replace('"value": "', '"value": "\x01', 1),
    "an escape is broken": lambda row: row.replace('"value": "', '"value": "\\x', 1),
    "a bracket is missing": lambda row: row[:-2] + row[-1],
    "the middle is gone": lambda row: row[: len(row) // 3] + row[2 * len(row) // 3 :],
    "garbage": lambda row: '{"id": ' + "\x00\x00\x00" + "}",
    "a value without quotes": lambda row: row.replace('"human"', "human", 1),
}


@pytest.mark.parametrize("most", [50, 1 << 20])
@pytest.mark.parametrize("place", range(len(CHATS)))
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_conversation_is_one_fault_and_its_neighbours_are_kept(damage, place, most):
    pieces = [json.dumps(row, ensure_ascii=False) for row in CHATS]
    pieces[place] = DAMAGES[damage](pieces[place])
    with pytest.raises(ValueError):
        json.loads(pieces[place])
    found = read("[" + ",\n  ".join(pieces) + "]", most)
    assert values(found) == [row for n, row in enumerate(CHATS) if n != place]
    assert len(faults(found)) == 1
    assert faults(found)[0].text.startswith('{"id": ')


TREES = [
    {
        "message_id": f"m{n}",
        "text": "¿Qué tal?",
        "replies": [{"message_id": f"m{n}.{k}", "text": "ok", "replies": []} for k in range(3)],
    }
    for n in range(4)
]


@pytest.mark.parametrize("damage", [('"text"', '"text'), ("¿", "\n"), ('"replies": [{', '"replies": {')])
@pytest.mark.parametrize("place", range(len(TREES)))
def test_replies_in_a_damaged_tree_are_no_elements_though_they_begin_like_one(place, damage):
    pieces = [json.dumps(row, ensure_ascii=False) for row in TREES]
    pieces[place] = pieces[place].replace(*damage, 1)
    found = read("[" + ", ".join(pieces) + "]")
    assert values(found) == [row for n, row in enumerate(TREES) if n != place]
    assert len(faults(found)) == 1


@pytest.mark.parametrize("place", range(4))
def test_elements_that_begin_with_different_keys_are_found_behind_a_damaged_one(place):
    rows = [dict(sorted(row.items(), reverse=n % 2 == 1)) for n, row in enumerate(CHATS)]
    pieces = [json.dumps(row, ensure_ascii=False) for row in rows]
    pieces[place] = pieces[place].replace(": ", " ", 1)
    found = read("[" + ", ".join(pieces) + "]")
    assert values(found) == [row for n, row in enumerate(rows) if n != place]
    assert len(faults(found)) == 1


def test_the_elements_of_arrays_put_one_behind_the_other_are_all_given():
    found = read('[{"a": 1}, {"a": 2}]\n[{"a": 3}]\n[]')
    assert values(found) == [{"a": 1}, {"a": 2}, {"a": 3}] and not faults(found)


def test_several_damaged_elements_are_each_one_fault():
    pieces = [json.dumps({"inputs": f"السؤال {n}", "targets": f"الجواب {n}"}, ensure_ascii=False) for n in range(9)]
    for place in (2, 5, 7):
        pieces[place] = pieces[place].replace(":", "", 1)
    found = read("[" + ",".join(pieces) + "]")
    assert [value["inputs"] for value in values(found)] == [f"السؤال {n}" for n in (0, 1, 3, 4, 6, 8)]
    assert len(faults(found)) == 3


def test_the_element_after_a_damaged_one_is_kept_if_the_read_text_ends_in_it():
    rows = [{"inputs": f"{n}", "targets": "ไ" * 400} for n in range(20)]
    pieces = [json.dumps(row, ensure_ascii=False) for row in rows]
    pieces[3] = pieces[3].replace(":", "", 1)
    text = "[" + ",".join(pieces) + "]"
    for most in (400, 1000, 1500, 2000, 2200):
        assert [value["inputs"] for value in values(read(text, most))] == [str(n) for n in range(20) if n != 3]


def test_an_element_larger_than_one_read_comes_back():
    rows = [{"inputs": "ก" * size, "targets": "ข"} for size in (1, 3 << 20, 2)]
    assert values(list(elements(io.StringIO(json.dumps(rows, ensure_ascii=False)), LIMIT))) == rows


def test_an_element_over_the_limit_is_one_fault_and_the_others_are_kept():
    rows = [{"inputs": "語" * size, "targets": "学"} for size in (10, 5000, 20, 30)]
    for most in (100, 1 << 20):
        found = read(json.dumps(rows, ensure_ascii=False), most, limit=1000)
        assert values(found) == [rows[0], rows[2], rows[3]]
        assert len(faults(found)) == 1


@pytest.mark.parametrize(
    "element", ['"\\ud800"', '"\\ude00\\ud83d x"', "NaN", "1e999", "-0", "[[]]", '"\\u0000"', "null"]
)
def test_values_that_only_a_lenient_parser_takes_are_values(element):
    found = read(f'[{{"a": {element}}}, {{"a": 1}}]')
    assert not faults(found)
    assert repr(values(found)) == repr([{"a": json.loads(element)}, {"a": 1}])


@pytest.mark.parametrize(
    "element", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "7" * 5_000]
)
def test_what_no_parser_takes_is_one_fault_and_its_neighbours_are_kept(element):
    found = read(f'[{{"a": 1}}, {{"a": {element}}}, {{"a": 3}}]')
    assert values(found) == [{"a": 1}, {"a": 3}]
    assert len(faults(found)) == 1


@pytest.mark.parametrize("text", ["[]", " [ ] ", "\ufeff[\n]\n"])
def test_an_empty_array_has_no_elements(text):
    assert read(text) == []


@pytest.mark.parametrize("text", ['{"a": 1}', '"a"', "garbage", "", "]", "\ufeff", "null"])
def test_text_that_is_not_an_array_is_one_fault(text):
    (element,) = read(text)
    assert element.fault == "no JSON array" and element.text == text


@pytest.mark.parametrize("text", ["[", "[ ", '[{"a": 1}', '[{"a": 1},', '[{"a": 1}, {', "[{"])
def test_an_array_that_is_not_closed_ends_with_a_cut(text):
    *whole, last = read(text)
    assert last.cut and last.fault
    assert values(whole) == [{"a": 1}][: len(whole)]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}]\n[{"a": 2}]', '[{"a": 1}]\n{"a": 2}', '[{"a": 1}]}, {"a": 2}]', '[{"a": 1}] garbage']
)
def test_text_after_the_end_of_the_array_is_not_ignored(text):
    first, *others = read(text)
    assert first.value == {"a": 1} and others


def test_elements_that_are_no_objects_are_given_as_they_are():
    assert values(read('[1, "två", [3], null, {"a": 4}, 5]')) == [1, "två", [3], None, {"a": 4}, 5]
