"""Compare our scores with mteb's and lm-eval's on the same vectors, likelihoods and texts.

    python benchmarks/metric_parity.py [--write tests/eval/metrics/parity.json]

Needs mteb and lm-eval, which the project does not need. Their scores are recorded, and tests compare ours with them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "eval")]
os.environ["HF_HUB_OFFLINE"] = "1"

import parity_data as data  # noqa: E402


def mteb_scores() -> dict[str, float]:
    """Return mteb's main scores, and some others."""
    import datasets
    import mteb
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.classification import AbsTaskClassification
    from mteb.abstasks.clustering import AbsTaskClustering
    from mteb.abstasks.sts import AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining
    from mteb.models import ModelMeta

    class Model:
        mteb_model_meta = ModelMeta.create_empty({"name": "parity/meaning", "revision": "r1"})

        def encode(self, inputs: Any, **told: Any) -> np.ndarray:
            return np.array([data.vector(text) for batch in inputs for text in batch["text"]])

        def similarity(self, one: Any, other: Any) -> Any:
            import torch

            one, other = (torch.as_tensor(np.asarray(side), dtype=torch.float64) for side in (one, other))
            one, other = (torch.nn.functional.normalize(side, dim=-1) for side in (one, other))
            return one @ other.T

        def similarity_pairwise(self, one: Any, other: Any) -> Any:
            return self.similarity(one, other).diagonal()

    def about(name: str, kind: str, main: str) -> TaskMetadata:
        return TaskMetadata(
            name=name, description="parity", reference=None, type=kind, category="t2t", modalities=["text"],
            eval_splits=["test"], eval_langs=["swh-Latn"], main_score=main, dataset={"path": "none", "revision": "r1"},
        )  # fmt: skip

    def task(base: Any, name: str, kind: str, main: str, made: Callable[[], Any], **own: Any) -> Any:
        def load_data(self: Any, num_proc: Any = None, **told: Any) -> None:
            self.dataset, self.data_loaded = made(), True

        return type(name, (base,), {"metadata": about(name, kind, main), "load_data": load_data, **own})()

    rows = datasets.Dataset.from_list

    def splits(**named: Any) -> Any:
        return datasets.DatasetDict({name: rows(values) for name, values in named.items()})

    def two(values: Any) -> list[dict[str, Any]]:
        return [{"sentence1": one["first"], "sentence2": one["second"], "score": float(one["score"])} for one in values]

    bitext = [{"sentence1": one["source"], "sentence2": one["target"]} for one in data.bitext()]
    topics = [{"sentences": one["text"], "labels": one["label"]} for one in data.labelled(220, "test")]
    tasks = {
        "bitext": task(AbsTaskBitextMining, "Bitext", "BitextMining", "f1", lambda: splits(test=bitext)),
        "retrieval": task(AbsTaskRetrieval, "Search", "Retrieval", "ndcg_at_10", lambda: _search(rows)),
        "classification": task(
            AbsTaskClassification, "Topics", "Classification", "accuracy",
            lambda: splits(train=data.labelled(180, "train"), test=data.labelled(220, "test")),
        ),
        "clustering": task(
            AbsTaskClustering, "Clusters", "Clustering", "v_measure", lambda: splits(test=topics),
            max_fraction_of_documents_to_embed=None,
        ),
        "sts": task(AbsTaskSTS, "Alike", "STS", "cosine_spearman", lambda: splits(test=two(data.pairs())),
                    min_score=0, max_score=10),
    }  # fmt: skip
    found = {}
    for name, one in tasks.items():
        told = mteb.evaluate(Model(), one, cache=None, overwrite_strategy="always", co2_tracker=False)
        scores = told.task_results[0].scores["test"][0]
        wanted = {
            "bitext": {"f1": "f1", "accuracy_mined": "accuracy"},
            "retrieval": {"ndcg@10": "ndcg_at_10", "mrr@10": "mrr_at_10", "recall@10": "recall_at_10"},
            "classification": {"accuracy_probe": "accuracy", "macro_f1_probe": "f1"},
            "clustering": {"v_measure": "v_measure"},
            "sts": {"spearman": "cosine_spearman", "pearson": "cosine_pearson"},
        }[name]
        found |= {ours: float(scores[theirs]) for ours, theirs in wanted.items()}
    return found


def _search(rows: Any) -> Any:
    questions = data.questions()
    documents = list(dict.fromkeys(one["context"] for one in questions))
    corpus = [{"id": f"d{place}", "title": "", "text": text} for place, text in enumerate(documents)]
    relevant = {one["id"]: {f"d{documents.index(one['context'])}": 1} for one in questions}
    queries = [{"id": one["id"], "text": one["question"]} for one in questions]
    test = {"corpus": rows(corpus), "queries": rows(queries), "relevant_docs": relevant, "top_ranked": None}
    return {"default": {"test": test}}


def lm_eval_scores() -> dict[str, float]:
    """Return lm-eval's accuracy, by likelihood and by likelihood per character, and its BLEU of texts."""
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    questions, texts = data.choices(), data.translations()
    likely = {
        (one["question"], f" {a}"): v for one in questions for a, v in zip(one["options"], one["values"], strict=True)
    }

    class Replay(LM):
        def loglikelihood(self, requests: Any) -> Any:
            return [(likely[request.args], False) for request in requests]

        def loglikelihood_rolling(self, requests: Any) -> Any:
            raise NotImplementedError

        def generate_until(self, requests: Any) -> Any:
            return [texts[int(request.args[0])]["answer"] for request in requests]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, lines in (("choices", questions), ("texts", [{"n": str(n), **row} for n, row in enumerate(texts)])):
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            (folder / f"{file}.jsonl").write_text(content, "utf-8")
        (folder / "choices.yaml").write_text(
            f"""task: choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choices.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
doc_to_choice: "{{{{options}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
        )
        (folder / "texts.yaml").write_text(
            f"""task: texts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/texts.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{n}}}}"
doc_to_target: "{{{{reference}}}}"
generation_kwargs: {{until: ["\\n"]}}
metric_list: [{{metric: bleu}}]
"""
        )
        manager = TaskManager(include_path=name, include_defaults=False)
        found = lm_eval.simple_evaluate(
            model=Replay(), tasks=["choices", "texts"], task_manager=manager, bootstrap_iters=0
        )["results"]
    return {
        "accuracy": found["choices"]["acc,none"],
        "accuracy_norm": found["choices"]["acc_norm,none"],
        "bleu": found["texts"]["bleu,none"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    told = parser.parse_args()
    from parity import our_scores

    theirs = mteb_scores() | lm_eval_scores()
    ours = our_scores()
    print(f"{'metric':16} {'theirs':>12} {'ours':>12} {'difference':>12}")
    for name, value in theirs.items():
        mine = ours.get(name)
        shown = f"{mine:12.6f} {abs(mine - value):12.2e}" if mine is not None else f"{'':>12}"
        print(f"{name:16} {value:12.6f} {shown}")
    if told.write:
        packages = ("mteb", "lm_eval", "scikit-learn", "scipy", "sacrebleu", "pytrec-eval-terrier")
        versions = {package: importlib.metadata.version(package) for package in packages}
        told.write.write_text(json.dumps({"versions": versions, "scores": theirs}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
