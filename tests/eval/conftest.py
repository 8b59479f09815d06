"""A report with all that a report can have."""

from __future__ import annotations

import pytest

from eval.metric import Interval
from eval.results import Missing, Report, Score

LANGUAGES = ("eng_Latn", "swh_Latn", "kat_Geor", "urd_Arab", "abk_Cyrl", "deu_Latn-fra_Latn")


@pytest.fixture
def report() -> Report:
    """Three suites: sizes of embeddings, scores without intervals, contamination, names that would be markup."""
    scores = []
    for place, language in enumerate(LANGUAGES):
        value = 0.9 - 0.12 * place
        for group, kept in (("1536.float", 1.0), ("1536.int8", 0.99), ("256.float", 0.93), ("256.binary", 0.6)):
            bounds = Interval(value * kept - 0.05, value * kept + 0.04, "bootstrap:1000")
            signature = f"suite:embed|task:tatoeba|language:{language}|metric:f1|data:d{place}|n:{100 + place}"
            scores.append(
                Score(
                    "embed", "tatoeba", language, "f1", value * kept, 100 + place, signature, bounds, True, True, group
                )
            )
        shares = 0.25 if place == 1 else 0.0
        scores.append(
            Score(
                "chat",
                "<script>boom()</script>",
                language,
                "chrf2++",
                60 - place,
                9,
                "",
                None,
                True,
                contaminated=shares,
            )
        )
    scores.append(Score("rerank", "xquad", "eng_Latn", "ndcg@10", 0.0, 1, "data:z", None, True))
    missing = (
        Missing("chat", "mgsm", "zul_Latn", "no items"),
        Missing("speech", "fleurs", "eng_Latn", "no such suite"),
    )
    return Report({"name": "نموذج <b>", "sha256": "ab12"}, tuple(scores), missing, ("a <i>note</i>",), {"version": "1"})
