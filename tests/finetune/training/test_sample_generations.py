"""Answers in training: greedy ones, the same on every mesh, compared as people would, counted by language and task."""

import json

import pytest

from finetune.checkpoints import formats
from finetune.data.sources import DataSources
from finetune.data.special_ids import SpecialIds
from finetune.data.validation import ValidationData
from finetune.decoding.decoder import CompiledDecoder, Decoding
from finetune.train import train
from finetune.training.sample_generations import SampleGeneration, score, score_by, write_samples
from finetune.training.validation_metrics import LanguageMetrics, ValidationMetrics
from tokenizer.vocabulary import Tokenizer


def an_answer(expected, answer, language="swh_Latn", dataset="quiz", task="qa"):
    return SampleGeneration("00", language, dataset, task, "Swali?", expected, answer)


@pytest.mark.parametrize(
    ("expected", "answer", "exact"),
    [
        ("Jumatatu", "Jumatatu", True),
        ("Jumatatu", " Jumatatu\n", True),
        ("tháng\u00a0Tư", "tha\u0301ng Tu\u031b", True),  # the same letters, put together otherwise
        ("Jumatatu", "jumatatu", False),
        ("الأحد", "الاحد", False),
        ("", "x", False),
    ],
)
def test_an_answer_is_exact_apart_from_blanks_and_forms_of_characters(expected, answer, exact):
    assert an_answer(expected, answer).is_exact == exact


def test_scores_are_by_language_and_task_and_a_data_set_stands_in_for_a_task():
    answers = [
        an_answer("a b", "a b"),
        an_answer("a b", "c"),
        an_answer("一月", "一月", language="zho_Hans", task="", dataset="cldr"),
    ]
    assert score(answers).exact_match == pytest.approx(2 / 3)
    by_language = score_by(answers, lambda answer: answer.language)
    assert {code: (one.exact_match, one.answers) for code, one in by_language.items()} == {
        "swh_Latn": (0.5, 2),
        "zho_Hans": (1.0, 1),
    }
    assert by_language["zho_Hans"].chrf == pytest.approx(100) and 0 < by_language["swh_Latn"].chrf < 100
    languages = [LanguageMetrics(code, "high", 3, 9, 1.5, 0.5) for code in ("hau_Latn", "swh_Latn", "zho_Hans")]
    measured = ValidationMetrics(7, tuple(languages)).with_generations(answers)
    assert measured.by_task == {"cldr": (1.0, 1), "qa": (0.5, 2)}
    assert [one.exact_match for one in measured.languages] == [None, 0.5, 1.0]
    told = measured.to_json()
    assert told["exact_match"] == 0.75 and told["by_task"]["qa"] == {"exact_match": 0.5, "answers": 2}
    assert "by_task" not in ValidationMetrics(7, tuple(languages)).to_json()


def test_samples_are_written_a_line_an_answer(tmp_path):
    write_samples(tmp_path, 20, [an_answer("ሰኞ", "ሰኞ", language="amh_Ethi"), an_answer("a", "b")])
    first, second = (tmp_path / "samples/20.jsonl").read_text("utf-8").splitlines()
    assert "ሰኞ" in first
    values = json.loads(second)
    assert list(values) == ["id", "language", "dataset", "task", "prompt", "expected", "answer", "exact"]
    assert not values["exact"]


def samples(run, step):
    return [json.loads(line) for line in (run / f"samples/{step}.jsonl").read_text("utf-8").splitlines()]


def decoded(config, run):
    """The answers of the run's checkpoint to the same examples, one by one."""
    tokenizer, model = Tokenizer.load(run / "tokenizer"), formats.load(run, step="last")
    decoder = CompiledDecoder(model.architecture, decoding=Decoding(max_tokens=6))
    sources = DataSources.open(config.data, SpecialIds.of(run / "tokenizer"))
    for example in ValidationData(sources).examples(3):
        ids = decoder(model.params, example.inputs[None]).ids_BxT[0]
        yield tokenizer.decode([number for number in ids.tolist() if number > 1])


def test_a_run_answers_as_its_checkpoint_does_and_a_finished_one_is_measured_again(configured, tmp_path):
    config = configured(
        steps=40,
        model={"family": "t5"},
        checkpoints={"every_steps": 0},
        evaluate={"every_steps": 0, "generate": 3, "max_tokens": 6},
    )
    trained = train(config, tmp_path / "run")
    found = samples(tmp_path / "run", 40)
    assert [one["language"] for one in found] == ["kir_Cyrl"] * 3 + ["swh_Latn"] * 3
    assert [one["answer"] for one in found] == list(decoded(config, tmp_path / "run"))
    assert len({one["answer"] for one in found}) > 1  # else nothing was compared

    again = train(config, tmp_path / "run")
    assert again.step == 40 and again.metrics == trained.metrics
    assert samples(tmp_path / "run", 40) == found
    lines = (tmp_path / "run/validation.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 and all(line.split(",")[7] for line in lines)
