"""A suite kind needs a class, a row of the table and a task file. Nothing else in the code knows its name."""

from collections.abc import Iterator

import pytest
from parity_data import vector

from core.errors import ConfigError
from core.progress import Progress
from eval.data.examples import identifiers, texts
from eval.data.sources import content_hash
from eval.outcome import Outcome
from eval.results import Example
from eval.run import EvaluationRequest, evaluate
from eval.suites.base import SuiteKind
from eval.suites.catalogue import read
from eval.suites.table import SUITE_KINDS

TASK = """name = "norms"
suite = "embed"
kind = "norm"
about = "Are vectors of unit length?"
fields = { text = "text" }
[data]
files = ["norms.{language}.jsonl"]
format = "jsonl"
"""


class NormSuite(SuiteKind):
    """The share of texts whose vector has unit length."""

    suite = "embed"
    help = "texts"
    fields = ("text",)

    def run(self, language, data) -> Iterator[Outcome]:
        contents = [texts(row, "text", self.task)[0] for row in data.rows]
        vectors = self.context.model.model.embed(contents, "query")
        examples = [
            Example(name, {"accuracy_mined": (float(abs((row**2).sum() - 1) < 1e-3),)}, {"text": text})
            for name, text, row in zip(identifiers(data.rows, self.task), contents, vectors, strict=True)
        ]
        yield Outcome(self.task, language, ("accuracy_mined",), tuple(examples), content_hash(contents))


@pytest.fixture
def task_file(monkeypatch, tmp_path):
    monkeypatch.setitem(SUITE_KINDS, ("embed", "norm"), f"{__name__}:NormSuite")
    path = tmp_path / "norms.toml"
    path.write_text(TASK, "utf-8")
    return path


def test_a_suite_kind_of_a_test_module_is_evaluated(task_file, tmp_path, write_lines, record):
    words = ["habari", "दुनिया", "世界"]
    write_lines(tmp_path / "data/norms.swh.jsonl", [{"text": word} for word in words])
    model = record([{"text": word, "embedding": [float(v) for v in vector(word)]} for word in words])
    request = EvaluationRequest(model, (str(tmp_path / "data"),), ("embed",), task_files=(task_file,))
    report = evaluate(request, tmp_path / "out", Progress.silent())
    (score,) = report.scores
    assert (score.task, score.language, score.score, score.n) == ("norms", "swh_Latn", 1.0, 3)
    assert (tmp_path / "out/results/embed/norms/swh_Latn.jsonl").is_file()


def test_its_task_file_is_checked(task_file):
    task_file.write_text(TASK.replace("text = ", "words = "), "utf-8")
    with pytest.raises(ConfigError, match="fields lack text, which a task of norm needs"):
        read(task_file)


def test_without_its_row_the_kind_is_unknown(tmp_path):
    path = tmp_path / "norms.toml"
    path.write_text(TASK, "utf-8")
    with pytest.raises(ConfigError, match="a embed task is one of bitext, retrieval"):
        read(path)
