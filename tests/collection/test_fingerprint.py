"""Fingerprints are equal for conversations that say the same, and for no others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.fingerprint import ORIGIN_RANK, fingerprint
from collection.record import ORIGINS, Message

BASE = [("user", "Habari ya\nleo?"), ("assistant", "Nzuri  sana.")]


def test_a_fingerprint_never_changes():
    assert fingerprint(BASE).hex() == "c9ed7ba06ef69cbdae89a07a381519fb"
    assert len(fingerprint([])) == 16


@pytest.mark.parametrize(
    "other",
    [
        [("user", "Habari ya leo?"), ("assistant", "Nzuri sana.")],
        [("user", " Habari  ya\t\tleo? "), ("assistant", "Nzuri\u3000sana.\n")],
        [("user", "Habari\xa0ya\u2009leo?"), ("assistant", "\nNzuri\r\nsana.")],
        (Message("user", "Habari ya leo?"), Message("assistant", "Nzuri sana.")),
    ],
)
def test_blanks_make_no_difference(other):
    assert fingerprint(other) == fingerprint(BASE)


@pytest.mark.parametrize(
    "other",
    [
        [("user", "Habariya leo?"), ("assistant", "Nzuri sana.")],
        [("user", "habari ya leo?"), ("assistant", "Nzuri sana.")],
        [("user", "Habari ya leo"), ("assistant", "Nzuri sana.")],
        [("assistant", "Habari ya leo?"), ("user", "Nzuri sana.")],
        [("system", "Habari ya leo?"), ("assistant", "Nzuri sana.")],
        [("assistant", "Nzuri sana."), ("user", "Habari ya leo?")],
        [("user", "Habari ya leo? Nzuri sana.")],
        [("user", "Habari ya leo?"), ("assistant", "Nzuri sana."), ("user", "")],
        [],
    ],
)
def test_words_roles_and_order_make_a_difference(other):
    assert fingerprint(other) != fingerprint(BASE)


def test_characters_that_a_writing_system_needs_make_a_difference():
    assert fingerprint([("user", "می\u200cخواهم")]) != fingerprint([("user", "میخواهم")])
    assert fingerprint([("user", "你好世界")]) != fingerprint([("user", "你好 世界")])


text = st.text("ab \n\u3000字", max_size=6)
turns = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), text), max_size=3)


@settings(max_examples=200, deadline=None)
@given(turns, turns)
def test_two_conversations_are_equal_when_their_words_are(one, two):
    same = [(role, content.split()) for role, content in one] == [(role, content.split()) for role, content in two]
    assert (fingerprint(one) == fingerprint(two)) == same


def test_what_a_person_wrote_stays_before_everything_else():
    assert sorted(ORIGINS, key=ORIGIN_RANK.__getitem__) == ["human", "template", "translated", "synthetic"]
