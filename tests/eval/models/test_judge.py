import pytest

from collection.languages import resolve
from eval.models.base import Generation
from eval.models.judge import compare


def verdict(ours_first, ours_second):
    """What comes of what a judge says with our answer before the other's, and behind it."""

    class Judge:
        def generate(self, prompts, limits):
            said = {True: ours_first, False: ours_second}
            return [Generation(said[prompt.index("ours") < prompt.index("theirs")]) for prompt in prompts]

    (found,) = compare(Judge(), ["?"], [Generation("ours")], [Generation("theirs")], resolve("zho_Hans"))
    return found.win, found.flipped, found.unread


@pytest.mark.parametrize(
    ("first", "second", "win", "flipped"),
    [
        ("A", "B", 1, False),
        ("B", "A", 0, False),
        ("tie", "tie", 0.5, False),
        ("A", "A", 0.5, True),
        ("A", "tie", 0.5, True),
        ("tie", "A", 0.5, True),
        ("B", "TIE", 0.5, True),
    ],
)
def test_every_disagreement_of_the_orders_is_a_flip(first, second, win, flipped):
    assert verdict(first, second) == (win, flipped, 0)


@pytest.mark.parametrize("said", ["A", "A.", "**A**", "[A]", "答案A更好", "AがBest、以上", "الإجابة Aأفضل", "A1"])
def test_a_verdict_is_read_beside_letters_of_other_scripts(said):
    assert verdict(said, "B") == (1, False, 0)


@pytest.mark.parametrize("said", ["", "Answer", "A B", "AB", "Best", "untied", "Tied"])
def test_what_names_no_winner_or_both_is_unread(said):
    assert verdict(said, said) == (0.5, False, 2)
