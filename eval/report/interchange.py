"""A report in the formats of others: MTEB's result files for embed and rerank, lm-eval's for chat.

Scores are written as they are, to the last digit. What those formats have no place for (intervals, groups of
languages, signatures) stays in report.json; each file says by which signature it was made.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from core import files
from core.errors import SourceError
from eval.metrics.signature import signature_parts
from eval.report import rollup
from eval.report.tables import named
from eval.results import Report, Score, examples_path, read_statistics

MTEB_LAYOUT: Final = "2.26.24"  # the version of mteb whose layout this is
MTEB_SUITES: Final = ("embed", "rerank")
LM_EVAL_SUITES: Final = ("chat",)
_MTEB_NAMES: Final = {
    "accuracy_mined": "accuracy",
    "accuracy_probe": "accuracy",
    "macro_f1_probe": "f1",
    "spearman": "cosine_spearman",
    "pearson": "cosine_pearson",
}
_UNKNOWN: Final = (
    "release_date languages n_parameters memory_usage_mb max_tokens embed_dim license open_weights "
    "public_training_code public_training_data similarity_fn_name use_instructions training_datasets loader reference"
)
_LM_EVAL_NAMES: Final = {"accuracy": "acc", "accuracy_norm": "acc_norm", "f1_words": "f1", "chrf2++": "chrf++"}


def to_mteb(report: Report) -> dict[str, dict[str, Any]]:
    """The JSON of each file by its path: results/<model>/<revision>/<Task>.json, and a model_meta.json in each folder.

    Smaller and rounder embeddings are mteb's experiments of the same model: experiments/embed_dim_256__precision_int8.
    """
    scores = [one for one in report.scores if one.suite in MTEB_SUITES]
    by_file: dict[tuple[str, str], list[Score]] = {}
    for one in scores:
        groups = {other.group for other in scores if (other.suite, other.task) == (one.suite, one.task)}
        size = rollup.size(one.group)
        small = one.group if size and not rollup.is_full(one.group, groups) else ""
        by_file.setdefault((small, one.task), []).append(one)
    name, revision = _model(report)
    base = f"results/{_safe(name.replace('/', '__'))}/{_safe(revision)}"
    found: dict[str, dict[str, Any]] = {}
    for (small, task), own in by_file.items():
        size = rollup.size(small)
        settings = {"embed_dim": size[0], "precision": size[1]} if size else {}
        folder = base + ("/experiments/" + "__".join(f"{k}_{v}" for k, v in settings.items()) if settings else "")
        found[f"{folder}/{_safe(task)}.json"] = _task_result(task, own, report)
        found[f"{folder}/model_meta.json"] = _model_meta(name, revision, settings)
    return found


def write_mteb(report: Report, folder: Path) -> list[Path]:
    """Writes what `to_mteb` gives below a folder; the paths written."""
    return _write(folder, to_mteb(report), "embed or rerank")


def to_lm_eval(report: Report, folder: Path | None = None) -> dict[str, Any]:
    """lm-eval's results, a task a language: `xcopa_swh_Latn`.

    With the evaluation's `folder` the standard error of a mean is that of its items, as lm-eval's; else, and for other
    metrics, it is told from the interval, or "N/A".
    """
    tasks: dict[str, list[Score]] = {}
    for one in report.scores:
        if one.suite in LM_EVAL_SUITES:
            tasks.setdefault(lm_eval_task(one), []).append(one)
    signed = {task: signature_parts(own[0].signature) for task, own in tasks.items()}
    name, revision = _model(report)
    return {
        "results": {task: _lm_eval_row(task, own, folder) for task, own in tasks.items()},
        "group_subtasks": {task: [] for task in tasks},  # a group would be a bare average of languages
        "configs": {task: _lm_eval_config(task, own) for task, own in tasks.items()},
        "versions": {task: signed[task].get("glotmill", "") for task in tasks},
        "n-shot": {task: int(_figure(signed[task].get("shots"))) for task in tasks},
        "higher_is_better": {
            task: {_lm_eval_name(one.metric): one.higher_is_better for one in own} for task, own in tasks.items()
        },
        "n-samples": {task: {"original": own[0].n, "effective": own[0].n} for task, own in tasks.items()},
        "config": {"model": str(report.model.get("spec", name)), "model_revision": revision, "batch_size": None},
        "date": report.run.get("date"),
        "git_hash": None,
        "task_hashes": {task: signed[task].get("data", "") for task in tasks},
        "model_name": name,
        "model_name_sanitized": _safe(name),
        "total_evaluation_time_seconds": str(report.run.get("seconds", "")),
    }


def lm_eval_samples(folder: Path, score: Score) -> list[dict[str, Any]]:
    """The rows of a task's samples file: every item with what was asked, answered, expected, and its hashes."""
    path = examples_path(folder, score.suite, score.task, score.language, score.group)
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    except FileNotFoundError:
        raise SourceError(f"there is no {path}: its evaluation was moved or is not whole; run it again") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return [_sample(place, line) for place, line in enumerate(lines)]


def write_lm_eval(report: Report, evaluation: Path, folder: Path) -> list[Path]:
    """Writes results_<date>.json and a samples file a task below <folder>/<model>/; the paths written."""
    evaluation = evaluation if evaluation.is_dir() else evaluation.parent
    results = to_lm_eval(report, evaluation)
    base = folder / results["model_name_sanitized"]
    date = _safe(str(results["date"] or "undated"))
    contents: dict[str, Any] = {f"results_{date}.json": results} if results["results"] else {}
    written = _write(base, contents, "chat")
    for task, score in {lm_eval_task(one): one for one in report.scores if one.suite in LM_EVAL_SUITES}.items():
        rows = lm_eval_samples(evaluation, score)
        path = base / f"samples_{_safe(task)}_{date}.jsonl"
        files.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        written.append(path)
    return written


def lm_eval_task(score: Score) -> str:
    """What lm-eval would call the task of a score: it has no languages of its own."""
    return "_".join(filter(None, (score.task, score.language, score.group)))


def _write(folder: Path, contents: Mapping[str, Any], suites: str) -> list[Path]:
    if not contents:
        raise SourceError(f"the report has no score of {suites}: nothing can be exported in this format")
    written = []
    for name, values in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
        written.append(path)
    return written


def _model(report: Report) -> tuple[str, str]:
    name = str(report.model.get("name") or report.model.get("spec") or "model")
    return name, str(report.model.get("sha256") or "no_revision_available")[:40]


def _safe(name: str) -> str:
    """A name that can be a file's."""
    return re.sub(r'[<>:"|?*\\/\s\x00]+', "_", name)


def _task_result(task: str, scores: Sequence[Score], report: Report) -> dict[str, Any]:
    splits: dict[str, dict[tuple[str, str], list[Score]]] = {}
    for one in scores:
        rows = splits.setdefault(signature_parts(one.signature).get("split", "test"), {})
        rows.setdefault((one.language, one.group if not rollup.size(one.group) else ""), []).append(one)
    hashes = sorted({signature_parts(one.signature).get("data", "") for one in scores} - {""})
    joined = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
    return {
        "dataset_revision": hashes[0] if len(hashes) == 1 else joined if hashes else "not told",
        "task_name": task,
        "mteb_version": MTEB_LAYOUT,
        "scores": {
            split: [_subset(language, group, own) for (language, group), own in rows.items()]
            for split, rows in splits.items()
        },
        "evaluation_time": None,  # known of the whole run alone
        "kg_co2_emissions": None,
        "date": None,
        "glotmill": {"version": report.run.get("glotmill"), "date": report.run.get("date")},
    }


def _subset(language: str, group: str, scores: Sequence[Score]) -> dict[str, Any]:
    main = next((one for one in scores if one.main), scores[0])
    pair = group if re.fullmatch(r"\w+-\w+", group) else language
    values = {_mteb_name(one.metric): one.score for one in scores}
    return values | {
        "main_score": main.score,
        "hf_subset": "-".join(filter(None, (language, group))) if pair == language else group,
        "languages": [code.replace("_", "-") for code in pair.split("-")],
        "n": main.n,
        "signature": main.signature,
    }


def _mteb_name(metric: str) -> str:
    return _MTEB_NAMES.get(metric, metric.replace("@", "_at_"))


def _model_meta(name: str, revision: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What mteb knows a model by; what the report does not say is null there."""
    meta: dict[str, Any] = {"name": name, "revision": revision, **dict.fromkeys(_UNKNOWN.split()), "framework": []}
    return meta | {"experiment_kwargs": dict(settings) or None}


def _lm_eval_name(metric: str) -> str:
    return _LM_EVAL_NAMES.get(metric, metric)


def _lm_eval_row(task: str, scores: Sequence[Score], folder: Path | None) -> dict[str, Any]:
    row: dict[str, Any] = {"alias": task, "sample_len": scores[0].n}
    for one in scores:
        name = _lm_eval_name(one.metric)
        row |= {f"{name},none": one.score, f"{name}_stderr,none": _standard_error(one, folder)}
    return row


def _standard_error(score: Score, folder: Path | None) -> float | str:
    """As lm-eval's `mean_stderr` where the score is the mean of one number an item."""
    if folder is not None:
        path = examples_path(folder, score.suite, score.task, score.language, score.group)
        _, rows = read_statistics(path, score.metric)
        if len(rows) > 1 and rows.shape[1] == 1 and abs(float(rows.mean()) - score.score) < 1e-6:
            return float(rows.std(ddof=1) / np.sqrt(len(rows)))
    if score.interval is None:
        return "N/A"
    return (score.interval.high - score.interval.low) / (2 * 1.96)


def _lm_eval_config(task: str, scores: Sequence[Score]) -> dict[str, Any]:
    first = scores[0]
    return {
        "task": task,
        "dataset_path": first.task,
        "dataset_name": first.language,
        "num_fewshot": int(_figure(signature_parts(first.signature).get("shots"))),
        "metric_list": [
            {"metric": _lm_eval_name(one.metric), "higher_is_better": one.higher_is_better} for one in scores
        ],
        "metadata": {"signatures": {named(one.metric, one.group): one.signature for one in scores}},
    }


def _figure(text: str | None) -> str:
    return text if text and text.isdigit() else "0"


def _sample(place: int, line: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in line.items() if key != "statistics"}
    prompt, answer, target = (told.get(key, "") for key in ("prompt", "answer", "expected"))
    numbers = {
        _lm_eval_name(name): row[0] if len(row) == 1 else list(row) for name, row in line.get("statistics", {}).items()
    }
    return {
        "doc_id": place,
        "doc": told,
        "target": target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
        "arguments": {"gen_args_0": {"arg_0": prompt}},
        "resps": [[answer]],
        "filtered_resps": [answer],
        "filter": "none",
        "metrics": list(numbers),
        "doc_hash": _hash(told),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target),
        **numbers,
    }


def _hash(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


EXPORTS: Final[Mapping[str, Callable[[Report, Path, Path], list[Path]]]] = {
    "mteb": lambda report, evaluation, out: write_mteb(report, out),
    "lm-eval": write_lm_eval,
}
"""By the name of a format, what writes a report, of an evaluation's folder, into another."""
