import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from parity import our_scores
from parity_data import translations

from eval.metrics import text_metrics
from eval.metrics.table import metric

RECORDED = json.loads(Path(__file__).with_name("parity.json").read_text("utf-8"))["scores"]


@pytest.fixture(scope="module")
def ours():
    return our_scores()


@pytest.mark.parametrize("name", RECORDED)
def test_scores_equal_those_of_mteb_and_lm_eval_on_the_same_vectors_and_texts(ours, name):
    # mteb rounds what it says of searches to five places.
    assert ours[name] == pytest.approx(RECORDED[name], abs=5e-6)


def test_chrf_and_bleu_equal_sacrebleus_corpus_scores_with_several_references():
    rows = translations()
    answers = [row["answer"] for row in rows]
    references = [[row["reference"] for row in rows], [f"{row['reference'][::-1]} ndiyo" for row in rows]]
    pairs = list(zip(answers, zip(*references, strict=True), strict=True))
    chrf = np.array([text_metrics.chrf_statistics(answer, list(both)) for answer, both in pairs])
    bleu = np.array([text_metrics.bleu_statistics(answer, list(both)) for answer, both in pairs])
    theirs = sacrebleu.corpus_chrf(answers, references, word_order=2).score
    assert metric("chrf2++").score(chrf) == pytest.approx(theirs, abs=1e-9)
    assert metric("bleu").score(bleu) == pytest.approx(sacrebleu.corpus_bleu(answers, references).score, abs=1e-9)
