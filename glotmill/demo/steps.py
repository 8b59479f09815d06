"""Make a collection, a tokenizer and a model of the built-in sample, by the commands that a user would type.

The caller passes the function that runs one command, so this module does not know the command line.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

from core import files
from glotmill.demo.model import DemoModel
from glotmill.sample import write_sample
from glotmill.sample.derived import write_derived
from glotmill.sample.teachers import TEACHERS, write_teachers

# Runs one command, given as the words after `glotmill`.
RunCommand = Callable[[list[str]], None]


def run_demo(out: Path, steps: int | None, run: RunCommand) -> DemoModel | None:
    """Write the sample to `out/sample` and run every step on it.

    Args:
        out: the folder to write.
        steps: training steps; None takes the number in finetune.toml, 0 trains no model.
        run: runs one command.

    Returns:
        The scores of the model, or None where none was trained.
    """
    sample = write_sample(out / "sample")
    _make_collection(out, sample, run)
    _make_tokenizer(out, sample["parallel"], run)
    if steps == 0:
        return None
    model = _train_model(out, steps, run)
    _evaluate_model(out, run)
    return model


def _make_collection(out: Path, sample: dict[str, Path], run: RunCommand) -> None:
    languages = ("--set", 'languages=["aya"]')
    # xP3x declares the language of each row. Rows in another language are rejected here, and relabelled below.
    policy = ("--set", "language_id.policy=reject")
    from_xp3x, from_others = str(out / "ingested-xp3x"), str(out / "ingested")
    run(["ingest", "--source", f"xp3x={sample['xp3x']}", *languages, *policy, "--out", from_xp3x])
    others = [f"{kind}={sample[kind]}" for kind in ("aya", "aya_collection", "sharegpt")]
    run(["ingest", *_repeated("--source", others), *languages, "--out", from_others])
    inputs = [from_xp3x, from_others, *_template_and_translate(out, run), *_synthesize(out, run)]
    splits = ("--set", "splits.validation=0.05", "--set", "splits.test=0.05", "--set", "name=glotmill-demo")
    held_out = ("--decontaminate", f"quiz={sample['evaluation']}")
    run(["build", *_repeated("--input", inputs), *held_out, *splits, "--out", str(out / "collection")])
    run(["collection", "validate", str(out / "collection")])


def _template_and_translate(out: Path, run: RunCommand) -> list[str]:
    """Render a quiz by templates and translate English chats, by recorded translations and by Apertium if installed.

    Returns:
        The folders written.
    """
    sample = write_derived(out / "sample" / "derived")
    templated, english, translated = (str(out / name) for name in ("templated", "to-translate", "translated"))
    pruned = ("--set", "select.min_target_words=2")
    data = ("--templates", str(sample["templates"]), "--data", str(sample["quiz"]))
    run(["template", *data, *pruned, "--out", templated])
    run(["ingest", "--source", f"sharegpt={sample['to-translate']}", "--out", english])
    spanish = ["translate", "--input", english, "--to", "spanish"]
    run([*spanish, "--translator", f"replay:{sample['translations']}", "--out", translated])
    folders = [templated, english, translated]
    if _has_apertium():
        live = str(out / "apertium")
        run([*spanish, "--translator", "apertium", "--out", live])
        folders.append(live)
    return folders


def _has_apertium() -> bool:
    if shutil.which("apertium") is None:
        return False
    pairs = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False).stdout.split()
    return "eng-spa" in pairs


def _synthesize(out: Path, run: RunCommand) -> list[str]:
    """Rewrite curt answers with three recorded teachers and keep the best rewrite.

    Returns:
        The folders written.
    """
    sample = write_teachers(out / "sample" / "teachers")
    curt, synthesized = str(out / "curt"), str(out / "synthesized")
    run(["ingest", "--source", f"sharegpt={sample['curt']}", "--out", curt])
    teachers = _repeated("--generator", [f"replay:{sample[teacher]}" for teacher in TEACHERS])
    run(["synthesize", "--input", curt, "--method", str(sample["patiently"]), *teachers, "--out", synthesized])
    return [curt, synthesized]


def _make_tokenizer(out: Path, parallel: Path, run: RunCommand) -> None:
    tokenizer, collection = str(out / "tokenizer"), str(out / "collection")
    # The rounds balance on the same lines as the report, to show the rounds at work. A fair report needs other lines.
    # Prompts are in the sample too: words that every prompt has should not be split into letters.
    balanced = ("--parallel", str(parallel), "--set", "parity.rounds=3", "--set", "sample.prompts=true")
    run(["tokenizer", "train", "--collection", collection, "--vocab-size", "6000", *balanced, "--out", tokenizer])
    run(["tokenizer", "report", "--tokenizer", tokenizer, "--data", str(parallel)])
    tokens = str(out / "tokens")
    run(["tokenizer", "encode", "--tokenizer", tokenizer, "--collection", collection, "--out", tokens])


def _train_model(out: Path, steps: int | None, run: RunCommand) -> DemoModel:
    override = () if steps is None else ("--set", f"steps={steps}")
    run(["finetune", str(write_config(out)), *override, "--out", str(out / "model")])
    return DemoModel.read(out / "model")


def _evaluate_model(out: Path, run: RunCommand) -> None:
    """Evaluate the model on test rows: on the exercises alone, and on all of them."""
    collection = str(out / "collection")
    tasks = ("--task-file", str(write_task(out)), "--task", "collection", "--set", "chat.max_tokens=16")
    model = ("--model", f"checkpoint:{out / 'model'}", "--trained-on", collection)
    run(["eval", "run", "--suite", "chat", *model, "--data", collection, *tasks, "--out", str(out / "eval")])


def write_config(out: Path) -> Path:
    """Write `out/finetune.toml`, with the paths of this folder, and return its path."""
    text = resources.files("glotmill.demo").joinpath("finetune.toml").read_text("utf-8")
    prefix = json.dumps(f"{out}/", ensure_ascii=False)[:-1]
    files.write_text(out / "finetune.toml", text.replace('"demo/', prefix))
    return out / "finetune.toml"


def write_task(out: Path) -> Path:
    """Write the evaluation task of the exercises to `out/exercises.toml`, and return its path."""
    text = resources.files("glotmill.demo").joinpath("exercises.toml").read_text("utf-8")
    files.write_text(out / "exercises.toml", text)
    return out / "exercises.toml"


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
