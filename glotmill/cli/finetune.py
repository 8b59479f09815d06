"""Train a model, or resume training it: `glotmill finetune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glotmill.cli.options import Debug, Fresh, Json, Set
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from finetune.train import TrainingResult
    from finetune.training.validation_metrics import ValidationMetrics

_WORST = 10


@guarded
def finetune(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on which data, and how.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; overrides the configuration's `out`.")
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

    After a stop or a kill, the same command resumes the run, to the bit. On SIGTERM or Ctrl-C the command finishes its
    step, saves, and exits with status 75. See docs/training.md.
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
        raise ConfigError("no run folder: give --out DIR, or set `out` in the configuration")
    result = train(resolved, folder, fresh=fresh, progress=Progress.on_stderr())
    if json:
        print_json(_values(result, folder))
    else:
        if result.metrics:
            _print_metrics(result.metrics)
        print(f"{result.step:,} steps, {result.seconds} s, in {folder_name(folder)}")
        if result.complete:
            print(f"next: {_next_step(folder, resolved.head.kind)}")
    if not result.complete:
        sys.exit(STOPPED)


def _values(result: TrainingResult, folder: Path) -> dict[str, object]:
    return {
        "command": "finetune",
        "out": str(folder),
        "step": result.step,
        "complete": result.complete,
        "measured": result.metrics.to_json() if result.metrics else None,
        "seconds": result.seconds,
        "notes": list(result.notes),
    }


def _print_metrics(metrics: ValidationMetrics) -> None:
    print_table(
        "Validation: the languages with the highest loss",
        ("language", "resources", "examples", "loss", "accuracy", "exact match", "chrF"),
        [
            (
                language.language,
                language.resources,
                language.examples,
                round(language.loss, 4),
                round(language.accuracy, 4),
                *("" if value is None else round(value, 4) for value in (language.exact_match, language.chrf)),
            )
            for language in metrics.worst(_WORST)
        ],
    )


def _next_step(folder: Path, head: str) -> str:
    """Return how the trained model is used."""
    if not head:
        return f'glotmill generate --checkpoint {folder_name(folder)} --prompt "..."'
    from finetune.heads.base import trainable_head

    return f"{trainable_head(head).usage}, see docs/heads.md"
