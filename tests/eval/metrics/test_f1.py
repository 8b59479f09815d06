"""F1 of labels is scikit-learn's."""

import numpy as np
import pytest

from eval.metrics.table import metric, versions


@pytest.mark.parametrize("labels", [1, 3, 200])
def test_weighted_and_macro_f1_are_those_of_scikit_learn(labels):
    from sklearn.metrics import f1_score

    rows = np.random.default_rng(labels).integers(0, labels, (60, 4)).astype(float)
    rows[::3, 1] = rows[::3, 0]
    weighted = f1_score(rows[:, 0], rows[:, 1], average="weighted", zero_division=0)
    assert metric("f1").score(rows) == pytest.approx(weighted, abs=1e-12)
    macro = [f1_score(rows[:, 0], found, average="macro", zero_division=0) for found in rows[:, 1:].T]
    assert metric("macro_f1_probe").score(rows) == pytest.approx(np.mean(macro), abs=1e-12)


def test_a_library_is_named_where_it_computes():
    assert versions("f1") == ""
    assert versions("macro_f1_probe").startswith("scikit-learn:")
    assert versions("ndcg@10").startswith("pytrec-eval-terrier:")
