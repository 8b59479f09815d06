"""`glotmill finetune`: train a model, or go on training it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from glotmill.cli.options import Debug, Fresh, Json, Set
from glotmill.cli.output import folder_name, guarded, print_json, print_table

_WORST = 10


@guarded
def finetune(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on what, and how.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder; stands above the configuration's `out`.")
    ] = None,
    set: Set = None,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train an mT5-style model on encoded collections, or its encoder to embed or to rerank, on one device or many.

    [dim]glotmill finetune configs/demo.toml --out runs/demo[/dim]
    [dim]glotmill finetune configs/mt5-base-gpu.toml --set optimizer.schedule.base=3e-4 --set steps=2000[/dim]
    [dim]glotmill finetune configs/embed.toml --set model.init=runs/first --out runs/embed[/dim]

    A run that was stopped or killed is taken up by the same command, to the bit. Asked to stop (SIGTERM, Ctrl-C) it
    finishes its step, saves, and ends with status 75. docs/training.md tells more.
    """
    from core.config import load
    from core.errors import ConfigError
    from core.progress import Progress
    from finetune.config import FinetuneConfig
    from finetune.train import train
    from finetune.training.stopping import STOPPED

    resolved = load(FinetuneConfig, config, set or ())
    folder = out or (Path(resolved.out) if resolved.out else None)
    if folder is None:
        raise ConfigError("where to? --out names the run's folder, or `out` in the configuration")
    trained = train(resolved, folder, fresh=fresh, progress=Progress.on_stderr())
    if json:
        measured = trained.measured.to_json() if trained.measured else None
        values = {"step": trained.step, "complete": trained.complete, "measured": measured, "seconds": trained.seconds}
        print_json({"command": "finetune", "out": str(folder), **values, "notes": list(trained.notes)})
    else:
        if trained.measured:
            print_table(
                "Validation: the languages of the highest loss",
                ("language", "resources", "examples", "loss", "accuracy", "exact match", "chrF"),
                [
                    (
                        score.language,
                        score.resources,
                        score.examples,
                        round(score.loss, 4),
                        round(score.accuracy, 4),
                        *("" if value is None else round(value, 4) for value in (score.exact_match, score.chrf)),
                    )
                    for score in trained.measured.worst(_WORST)
                ],
            )
        print(f"{trained.step:,} steps, {trained.seconds} s, in {folder_name(folder)}")
        if trained.complete:
            whole = f'glotmill generate --checkpoint {folder_name(folder)} --prompt "..."'
            named = {"embed": "Embedder", "rerank": "Reranker"}.get(resolved.head.kind, "")
            module = f"finetune.{resolved.head.kind}"
            print(f"next: {f'{module}.{named}.load(...), see docs/heads.md' if named else whole}")
    if not trained.complete:
        sys.exit(STOPPED)
