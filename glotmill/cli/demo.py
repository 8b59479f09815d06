"""`glotmill demo`: the built-in sample through the real commands."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from glotmill.cli.demo_model import DemoModel, write_config, write_task
from glotmill.cli.options import Debug, Json
from glotmill.cli.output import folder_name, guarded, print_json, print_table


@guarded
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("glotmill-demo"),
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="Steps of training the model, instead of its configuration's; 0: no model."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a small sample in Aya's 101 languages and make a collection of it, with the real commands, and
    of that a tokenizer and a model. Needs no data.

    [dim]glotmill demo --out demo[/dim]
    [dim]glotmill demo --out demo --steps 0[/dim]
    """
    from glotmill.sample import write_sample

    begun = time.monotonic()
    places = {kind: folder_name(path) for kind, path in write_sample(out / "sample").items()}
    prompted, chats, finished = (folder_name(out / name) for name in ("ingested-xp3x", "ingested", "collection"))
    wanted = ("--set", 'languages=["aya"]')
    # xP3x says of every row which language it is: what is written in another is turned away here, and relabelled below.
    strict = ("--set", "language_id.policy=reject")
    _run(["ingest", "--source", f"xp3x={places['xp3x']}", *wanted, *strict, "--out", prompted], json)
    others = [f"{kind}={places[kind]}" for kind in ("aya", "aya_collection", "sharegpt")]
    _run(["ingest", *(word for other in others for word in ("--source", other)), *wanted, "--out", chats], json)
    splits = ("--set", "splits.validation=0.05", "--set", "splits.test=0.05", "--set", "name=glotmill-demo")
    kept_out = ("--decontaminate", f"quiz={places['evaluation']}")
    inputs = [prompted, chats, *_template_and_translate(out, json), *_synthesize(out, json)]
    _run(["build", *(word for one in inputs for word in ("--input", one)), *kept_out, *splits, "--out", finished], json)
    _run(["collection", "validate", finished], json)
    tokenizer, encoded = (folder_name(out / name) for name in ("tokenizer", "tokens"))
    sentences = places["parallel"]
    # Weighed by the lines that are reported on, which shows the rounds at work: true figures need others.
    # Prompts count, too: what stands in all of them should not be spelt out in letters.
    balanced = ("--parallel", sentences, "--set", "parity.rounds=3", "--set", "sample.prompts=true")
    train = ["tokenizer", "train", "--collection", finished, "--vocab-size", "6000", *balanced, "--out", tokenizer]
    _run(train, json)
    _run(["tokenizer", "report", "--tokenizer", tokenizer, "--data", sentences], json)
    _run(["tokenizer", "encode", "--tokenizer", tokenizer, "--collection", finished, "--out", encoded], json)
    model = None if steps == 0 else _finetune(out, steps, json)
    if model:
        _evaluate(out, json)
    _tell(out, places["xp3x"], model, round(time.monotonic() - begun, 1), json)


_STAGES = (
    *("ingested-xp3x", "ingested", "templated", "to-translate", "translated", "apertium"),
    *("curt", "synthesized", "collection"),
)


def _template_and_translate(out: Path, json: bool) -> list[str]:
    """A quiz rendered by templates, English chats translated: by recorded translations, and by Apertium where it is
    installed. The folders that came of it."""
    from glotmill.sample.derived import write_derived

    places = {kind: folder_name(path) for kind, path in write_derived(out / "sample" / "derived").items()}
    templated, english, translated, live = (
        folder_name(out / name) for name in ("templated", "to-translate", "translated", "apertium")
    )
    pruned = ("--set", "select.min_target_words=2")
    _run(["template", "--templates", places["templates"], "--data", places["quiz"], *pruned, "--out", templated], json)
    _run(["ingest", "--source", f"sharegpt={places['to-translate']}", "--out", english], json)
    spanish = ["translate", "--input", english, "--to", "spanish"]
    _run([*spanish, "--translator", f"replay:{places['translations']}", "--out", translated], json)
    folders = [templated, english, translated]
    if _has_apertium():
        _run([*spanish, "--translator", "apertium", "--out", live], json)
        folders.append(live)
    return folders


def _has_apertium() -> bool:
    import shutil
    import subprocess

    if shutil.which("apertium") is None:
        return False
    pairs = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False).stdout.split()
    return "eng-spa" in pairs


def _synthesize(out: Path, json: bool) -> list[str]:
    """Curt answers made patient by three recorded teachers, of whom the best is kept: the folders that came of it."""
    from glotmill.sample.teachers import TEACHERS, write_teachers

    places = {kind: folder_name(path) for kind, path in write_teachers(out / "sample" / "teachers").items()}
    curt, synthesized = (folder_name(out / name) for name in ("curt", "synthesized"))
    _run(["ingest", "--source", f"sharegpt={places['curt']}", "--out", curt], json)
    teachers = [word for teacher in TEACHERS for word in ("--generator", f"replay:{places[teacher]}")]
    _run(["synthesize", "--input", curt, "--method", places["patiently"], *teachers, "--out", synthesized], json)
    return [curt, synthesized]


def _finetune(out: Path, steps: int | None, json: bool) -> DemoModel:
    """A model trained on the tokens of this folder."""
    config, run = folder_name(write_config(out)), out / "model"
    fewer = () if steps is None else ("--set", f"steps={steps}")
    _run(["finetune", config, *fewer, "--out", folder_name(run)], json)
    return DemoModel.read(run)


def _evaluate(out: Path, json: bool) -> None:
    """The model is judged on rows that were kept out of training: exercises, which have a rule, and all."""
    run, finished, report = (folder_name(out / name) for name in ("model", "collection", "eval"))
    exercises = folder_name(write_task(out))
    wanted = ("--task-file", exercises, "--task", "collection", "--trained-on", finished, "--set", "chat.max_tokens=16")
    asked = ["eval", "run", "--suite", "chat", "--model", f"checkpoint:{run}", "--data", finished, *wanted]
    _run([*asked, "--out", report], json)


def _tell(out: Path, sample: str, model: DemoModel | None, seconds: float, json: bool) -> None:
    """What came of it: one JSON object, or a table by language and where to look next."""
    from collection.languages import find
    from collection.manifest import Manifest
    from collection.stats import by_language

    manifests = [Manifest.read(out / name) for name in _STAGES if (out / name / "manifest.json").exists()]
    stats = by_language(out / "collection")
    rejected: Counter[str] = Counter()
    for manifest in manifests:
        rejected.update(manifest.rejected)
    rows_out = manifests[-1].rows_out
    if json:
        # What one stage gave the next one is in already; only the collection makes nothing new.
        rows_in = sum(manifest.rows_in for manifest in manifests[:-1])
        print_json(
            {
                "command": "demo",
                "out": str(out),
                "rows_in": rows_in,
                "rows_out": rows_out,
                "rows_rejected": rows_in - rows_out,
                "rejected": rejected,
                "languages": {code: one.rows for code, one in stats.items()},
                **(model.to_json() if model else {}),
                "seconds": seconds,
            }
        )
        return
    splits = ("train", "validation", "test")
    print_table(
        "The collection, by language",
        ("language", "name", "resources", "rows", *splits),
        [
            (code, language.name, language.resource or "", one.rows, *(one.by["split"][split] for split in splits))
            for code, one in stats.items()
            if (language := find(code))
        ],
    )
    if model:
        model.tell()
    print(
        f"{rows_out:,} rows in {len(stats)} languages, {sum(rejected.values()):,} rows turned away "
        f"for {len(rejected)} reasons, {seconds} s"
    )
    prompted, synthesized, finished = (
        folder_name(out / name) for name in ("ingested-xp3x", "synthesized", "collection")
    )
    print("where to look next:")
    print(f"  {finished}/README.md                                 the card of the collection")
    print(f"  glotmill collection show {finished} --language sw    rows as people read them")
    print(f"  glotmill collection show {prompted} --rejects        what was turned away, and why")
    print(f"  glotmill collection show {synthesized}    what teachers wrote, and --rejects what was not kept")
    print(f"  glotmill collection stats {finished}")
    print(f"  {folder_name(out / 'tokenizer')}                                      a tokenizer of the collection")
    if model:
        config, run = folder_name(out / "finetune.toml"), folder_name(model.run)
        asked = "Which name is second: Jumatatu, Machi, Ijumaa?"
        print(f"  glotmill generate --checkpoint {run} --prompt '{asked}'")
        print(f"  glotmill finetune {config} --out other    the same model again, or another")
        print(f"  {run}                                          loss.svg, and all answers in samples/")
        print(f"  {folder_name(out / 'eval' / 'report.html')}   scores by language, with plots")
    print(f"  {sample}                                     the sample, in the sources' own formats")


def _run(arguments: list[str], quiet: bool) -> None:
    """Runs a command as the user would, showing it first."""
    import contextlib
    import io

    from glotmill.cli.main import app

    shown = " ".join(f"'{argument}'" if '"' in argument else argument for argument in arguments)
    with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
        print(f"$ glotmill {shown}", flush=True)
        app(arguments, standalone_mode=False)
