"""Write `xp3x/`, `aya/`, `aya_collection/` and `sharegpt.json`, each in the format in which its source is published.

`evaluation.jsonl` holds questions that must not be trained on. `parallel/` holds the same lines in every language, to
compare tokenizers.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collection.languages import Language, resolve
from glotmill.sample import exercises, facts, faults
from glotmill.sample.files import chat, read_table, write_chats, write_lines


def write_sample(folder: Path) -> dict[str, Path]:
    """Write all of it below `folder` and return the paths of the sources, the evaluation set and the parallel lines."""
    by_hand = handwritten()
    _write_xp3x(folder / "xp3x")
    _write_aya(folder / "aya", by_hand)
    _write_aya_collection(folder / "aya_collection")
    chats = [
        chat(f"sample_{number}", language.tag, pairs)
        for number, (language, pairs) in enumerate(_by_language(by_hand).items())
    ]
    write_chats(folder / "sharegpt.json", [*chats, *faults.CHATS])
    questions = (faults.LEAKED_QUESTION, "How many strings does a grand piano have, roughly counted?")
    write_lines(folder / "evaluation.jsonl", [{"id": f"q{n}", "question": text} for n, text in enumerate(questions)])
    _write_parallel(folder / "parallel")
    return {
        "xp3x": folder / "xp3x",
        "aya": folder / "aya",
        "aya_collection": folder / "aya_collection",
        "sharegpt": folder / "sharegpt.json",
        "evaluation": folder / "evaluation.jsonl",
        "parallel": folder / "parallel",
    }


def handwritten() -> list[tuple[Language, str, str]]:
    """Return the rows that the project wrote: language, prompt, answer."""
    return [(resolve(row["language"]), row["prompt"], row["answer"]) for row in read_table("handwritten.tsv")]


def _by_language(rows: Sequence[tuple[Language, str, str]]) -> dict[Language, list[tuple[str, str]]]:
    by_language: dict[Language, list[tuple[str, str]]] = {}
    for language, prompt, answer in rows:
        by_language.setdefault(language, []).append((prompt, answer))
    return by_language


def _write_xp3x(folder: Path) -> None:
    """Write one folder for each language and one file for each prompt, with rows sorted by their input."""
    for language in facts.languages():
        rows: dict[str, list[dict[str, str]]] = {}
        for fact in facts.facts(language, language.name):
            row = {
                "inputs": fact.prompt,
                "targets": fact.answer,
                "language": language.code,
                "split": "train",
                "template": fact.template,
            }
            rows.setdefault(fact.template, []).append({**row, "dataset": "cldr", "config": language.tag})
        for template, own in rows.items():
            name = f"xp3_cldr_{language.tag}_train_{template}.jsonl"
            write_lines(folder / language.code / name, sorted(own, key=lambda row: row["inputs"]))
    bad: dict[str, list[dict[str, Any]]] = {}
    for row in faults.XP3X_ROWS:
        fields = {key: value for key, value in row.items() if key != "folder"}
        bad.setdefault(row.get("folder", row["language"]), []).append(fields)
    for name, bad_rows in bad.items():
        write_lines(folder / name / "xp3_faults_rows_train_bad.jsonl", bad_rows)
    faults.write_bad_files(folder)


def _write_aya(folder: Path, rows: Sequence[tuple[Language, str, str]]) -> None:
    """Write two Parquet files in the layout of the Hub. The first row of each language is in the test split, too."""
    table = [
        {
            "inputs": prompt,
            "targets": answer,
            "language": language.name,
            "language_code": language.aya or language.iso639_3,
            "annotation_type": "original-annotations",
            "user_id": "0" * 64,
        }
        for language, prompt, answer in rows
    ]
    first: dict[str, dict[str, str]] = {}
    for row in table:
        first.setdefault(row["language_code"], row)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, part in (("train", table), ("test", list(first.values()))):
        pq.write_table(pa.Table.from_pylist(part), folder / "data" / f"{split}-00000-of-00001.parquet")


def _write_aya_collection(folder: Path) -> None:
    """Write a folder for each language's English name: month and day names as a translated data set, and exercises."""
    number = 0
    for language in facts.languages():
        rows = []
        for fact in facts.facts(language, language.name):
            if fact.template not in ("months", "days"):
                continue
            number += 1
            rows.append(
                {
                    "id": number,
                    "inputs": fact.prompt,
                    "targets": fact.answer,
                    "dataset_name": "Calendar (T)",
                    "sub_dataset_name": "-",
                    "task_type": "question-answering",
                    "template_id": 1,
                    "language": language.iso639_3,
                    "script": language.code[4:],
                    "split": "train",
                }
            )
        exercise_rows = exercises.rows(language, number + 1)
        number += len(exercise_rows)
        rows += exercise_rows
        if rows:
            name = "".join(character if character.isalnum() else "_" for character in language.name.lower()).strip("_")
            write_lines(folder / name / "train.jsonl", rows)


def _write_parallel(folder: Path) -> None:
    """Write one folder for each language. Lines with the same `index_id` mean the same."""
    for language in facts.languages():
        if lines := facts.parallel(language):
            (folder / language.code).mkdir(parents=True, exist_ok=True)
            with open(folder / language.code / "test.tsv", "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, delimiter="\t")
                rows.writerow(("index_id", "text"))
                rows.writerows(sorted(lines.items()))
