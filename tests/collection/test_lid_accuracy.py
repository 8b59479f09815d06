"""The accuracy that docs/language-id.md promises, on all of SIB-200's training sentences."""

from __future__ import annotations

import pytest

from collection import labelled
from collection.detectors import make_detector
from collection.lid_report import judge

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("detector", "least"), [("vote", 0.985), ("cld2", 0.975)])
def test_the_macro_accuracy_over_ayas_languages_is_what_was_promised(shared, detector, least):
    train = list(labelled.read(shared("data/sib200") / "annotated"))
    report = judge(make_detector(detector), train)
    assert report.texts > 100_000
    assert report.macro_aya >= least, report.to_json()


def test_being_told_the_declared_language_costs_no_accuracy(shared):
    train = list(labelled.read(shared("data/sib200") / "annotated"))
    vote = make_detector("vote")
    assert judge(vote, train, declared=True).macro_aya >= judge(vote, train).macro_aya - 0.002
