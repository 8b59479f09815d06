"""Write commands.md, configuration.md and reasons.md from the code. `--check` only compares them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from collection.reject import REASONS
from eval.config import EvalConfig
from finetune.config import FinetuneConfig
from glotmill.cli.main import app
from pipelines.augment.synthesize import SynthesizeConfig
from pipelines.augment.template import TemplateConfig
from pipelines.augment.translate import TranslateConfig
from pipelines.build.job import BuildConfig
from pipelines.ingest.config import IngestConfig
from pipelines.ingest.sources import SOURCES, source_class
from pipelines.ingest.sources.base import SourceOptions
from tokenizer.encode import EncodeConfig
from tokenizer.train import TokenizerConfig

HERE = Path(__file__).resolve().parent
WRITTEN = "`docs/reference.py` writes this page from the code."


def commands() -> Iterator[str]:
    """Yield the lines of the command-line reference, from the commands themselves."""
    yield "# Commands\n"
    status = "0 for success; 2 for an error that you can fix, with one line on stderr that says how; 1 for a bug"
    yield f"{WRITTEN} Exit status: {status}.\n"
    root: Any = typer.main.get_command(app)
    yield from _commands("glotmill", root)


def _commands(name: str, command: Any) -> Iterator[str]:
    for child_name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(f"{name} {child_name}", child)
    if hasattr(command, "commands"):
        return
    yield f"## {name}\n"
    yield _plain(command.help) + "\n"
    yield "| option | meaning | default |"
    yield "|---|---|---|"
    for parameter in command.params:
        if parameter.name == "help":
            continue
        is_option = parameter.param_type_name == "option"
        spelled = ", ".join(f"`{option}`" for option in parameter.opts) if is_option else f"`{_argument(parameter)}`"
        default = (
            "required"
            if parameter.required
            else ""
            if parameter.default in (None, False, "", ())
            else f"`{parameter.default}`"
        )
        yield f"| {spelled} | {(parameter.help or '').replace('|', chr(92) + '|')} | {default} |"
    yield ""


def _argument(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _plain(text: str) -> str:
    """Return help text with its examples as code blocks."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        example = re.fullmatch(r"\s*\[dim\](.*)\[/dim\]\s*", paragraph, re.DOTALL)
        lines = re.sub(r"\[/?dim\] *", "", example[1]) if example else ""
        paragraphs.append(
            "```bash\n" + "\n".join(map(str.strip, lines.splitlines())) + "\n```"
            if example
            else " ".join(paragraph.split())
        )
    return "\n\n".join(paragraphs)


def reasons() -> Iterator[str]:
    """Yield the lines of the table of reasons, with stage and meaning."""
    yield "# Reasons for a reject\n"
    yield f"{WRITTEN} Each row that a stage does not keep is a row of `rejects/`, with one of these reasons.\n"
    yield "| stage | reason | meaning |"
    yield "|---|---|---|"
    for reason, (stage, meaning) in REASONS.items():
        yield f"| {stage} | `{reason.value}` | {meaning} |"


def configuration() -> Iterator[str]:
    """Yield the lines of the tables of configuration keys: default, and the comment in the code as meaning."""
    yield "# Configuration\n"
    yield f"{WRITTEN} Give a key in a TOML file (`--config`) or with `--set section.key=value`.\n"
    for command, config in (
        ("ingest", IngestConfig),
        ("template", TemplateConfig),
        ("translate", TranslateConfig),
        ("synthesize", SynthesizeConfig),
        ("build", BuildConfig),
        ("tokenizer train", TokenizerConfig),
        ("tokenizer encode", EncodeConfig),
        ("finetune", FinetuneConfig),
        ("eval run", EvalConfig),
    ):
        yield f"## glotmill {command}\n"
        yield "| key | default | meaning |"
        yield "|---|---|---|"
        yield from _keys(config, "")
        yield ""


def _keys(config: Any, path: str) -> Iterator[str]:
    comments = _comments(config)
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        kind = hints[field.name]
        if dataclasses.is_dataclass(kind):
            yield from _keys(kind, f"{path}{field.name}.")
            continue
        if typing.get_args(kind)[1:] == (SourceOptions,):  # a section a kind of source
            yield from _source_options()
            continue
        if comments.get(field.name) is None and (of := _list_of(kind)):
            yield from _keys(of, f"{path}{field.name}[].")
            continue
        value = field.default if field.default is not dataclasses.MISSING else ""
        shown = "" if value in ("", ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"
        yield f"| `{path}{field.name}` | {shown} | {comments.get(field.name, '')} |"


def _source_options() -> Iterator[str]:
    """Yield the options that every kind of source has, then those of one kind."""
    kinds = "; ".join(f"`{kind}`, {source_class(kind).help}" for kind in SOURCES)
    yield f"| `KIND.…` | | options of all sources of a kind: {kinds} |"
    shared = list(_keys(SourceOptions, "KIND."))
    yield from shared
    for kind in SOURCES:
        options = _keys(source_class(kind).Options, f"{kind}.")
        yield from (line for line in options if line.replace(f"`{kind}.", "`KIND.", 1) not in shared)


def _list_of(kind: Any) -> Any:
    """Return the dataclass of a tuple of sections, or None for any other type."""
    inner = typing.get_args(kind)[:1]
    return inner[0] if typing.get_origin(kind) is tuple and dataclasses.is_dataclass(inner[0]) else None


def _comments(config: Any) -> dict[str, str]:
    """Return the comment behind each field of a dataclass and of its base classes."""
    comments: dict[str, str] = {}
    for cls in reversed(config.__mro__[:-1]):
        for line in inspect.getsource(cls).splitlines():
            if match := re.match(r"    (\w+): .*?  # (.*)", line):
                comments[match[1]] = match[2].replace("|", chr(92) + "|")
    return comments


def main() -> None:
    """Write the pages, or compare them with what would be written."""
    stale = []
    pages = {"commands.md": commands(), "reasons.md": reasons(), "configuration.md": configuration()}
    for name, lines in pages.items():
        text = "\n".join(lines).rstrip() + "\n"
        path = HERE / name
        if "--check" in sys.argv:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        sys.exit(f"{', '.join(stale)} differ from the code: run python docs/reference.py")


if __name__ == "__main__":
    main()
