"""`glotmill generate`: a model answers, one prompt as it is written, or many in batches."""

from __future__ import annotations

import json as json_library
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.checkpoint import StepOption, parse_step
from glotmill.cli.options import Debug
from glotmill.cli.output import guarded, print_json

if TYPE_CHECKING:
    from finetune.decoding.generator import GeneratedText, TextGenerator


@guarded
def generate(
    checkpoint: Annotated[
        Path, typer.Option("--checkpoint", "-c", help="A model, a run of training, or a folder of Hugging Face.")
    ],
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="One prompt; else every line of standard input is one.")
    ] = None,
    step: StepOption = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="The longest answer, in tokens.")] = 128,
    max_input: Annotated[
        int, typer.Option("--max-input", help="The longest prompt, in tokens; of a longer one the end is cut.")
    ] = 1024,
    beams: Annotated[int, typer.Option("--beams", help="Beams to search with; 1: greedy.")] = 1,
    length_penalty: Annotated[
        float, typer.Option("--length-penalty", help="Beams: above 0 favours long answers, below 0 short ones.")
    ] = 1.0,
    early_stopping: Annotated[
        str, typer.Option("--early-stopping", metavar="false|true|never", help="Beams: when a search may end.")
    ] = "false",
    temperature: Annotated[
        float, typer.Option("--temperature", help="Above 0 answers are drawn, the higher the wilder.")
    ] = 0.0,
    top_k: Annotated[int, typer.Option("--top-k", help="Draw from this many likeliest tokens; 0: all.")] = 0,
    top_p: Annotated[
        float, typer.Option("--top-p", help="Draw from the fewest tokens that hold this share of the probability.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="What is drawn is the same for the same seed.")] = 0,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", help="End an answer before this string; may be repeated.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Prompts that are answered together.")] = 16,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bfloat16: half the memory.")] = "float32",
    input_json: Annotated[
        bool, typer.Option("--input-json", help='Lines of standard input are JSON objects with a "prompt".')
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each prompt: prompt, text, tokens, finish_reason.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Let a model answer: a prompt as it is written, or a line of output for each line of input, in order.

    [dim]glotmill generate --checkpoint runs/aya --prompt "Tafsiri kwa Kiingereza: Habari ya asubuhi"[/dim]
    [dim]glotmill generate -c models/mt0 --beams 4 --batch-size 32 < prompts.txt > answers.txt[/dim]
    [dim]glotmill generate -c models/mt0 --temperature 0.8 --top-p 0.9 --seed 7 --json < prompts.txt[/dim]

    In plain lines, line breaks of an answer become blanks; --json keeps them.
    """
    from core.errors import ConfigError

    early: dict[str, Any] = {"false": False, "true": True, "never": "never"}
    if early_stopping.lower() not in early:
        raise ConfigError(f"--early-stopping {early_stopping!r}: expected false, true or never")
    if prompt is not None and input_json:
        raise ConfigError("--prompt is one prompt, --input-json says how standard input is read: give one of them")
    if prompt is None and sys.stdin.isatty():
        raise ConfigError("there is no prompt: give one with --prompt, or lines on standard input")
    from finetune.decoding.decoder import Decoding
    from finetune.decoding.generator import TextGenerator
    from finetune.model.architecture import Execution

    decoding = Decoding(
        max_tokens,
        beams,
        length_penalty,
        early[early_stopping.lower()],
        temperature,
        top_k,
        top_p,
        seed,
    )
    options: Any = {"rows": batch_size, "max_input": max_input, "stop": tuple(stop or ())}
    generator = TextGenerator.load(checkpoint, decoding, Execution(dtype), step=parse_step(step), **options)
    if prompt is not None:
        _answer_one(generator, prompt, json)
    else:
        _answer_lines(generator, _lines(input_json), json)


def _answer_one(generator: TextGenerator, prompt: str, json: bool) -> None:
    stream = generator.stream(prompt)
    for text in stream:
        if not json:
            print(text, end="", flush=True)
    assert stream.answer is not None
    if json:
        _tell(prompt, stream.answer)
    else:
        print(flush=True)
    _tell_truncated(int(stream.answer.truncated), 1)


def _answer_lines(generator: TextGenerator, lines: Iterator[str], json: bool) -> None:
    waiting: list[str] = []

    def passed() -> Iterator[str]:
        for line in lines:
            waiting.append(line)
            yield line

    count = truncated = 0
    for answer in generator.answers(passed()):
        prompt = waiting.pop(0)
        count, truncated = count + 1, truncated + answer.truncated
        if json:
            _tell(prompt, answer)
        else:
            print(" ".join(answer.text.splitlines()), flush=True)
    _tell_truncated(truncated, count)


def _tell(prompt: str, answer: GeneratedText) -> None:
    print_json(
        {
            "prompt": prompt,
            "text": answer.text,
            "tokens": answer.tokens,
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "truncated": answer.truncated,
            **({"score": answer.score} if answer.score is not None else {}),
        }
    )


def _tell_truncated(truncated: int, count: int) -> None:
    if truncated:
        print(f"note: {truncated} of {count} prompts lost their end: they are longer than --max-input", file=sys.stderr)


def _lines(as_json: bool) -> Iterator[str]:
    """Yield the prompts on standard input. Raise SourceError, with the line number, for one that cannot be read."""
    from core.errors import SourceError

    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise SourceError(f"line {number} of standard input is not UTF-8") from None
        if not as_json:
            yield text
            continue
        try:
            value = json_library.loads(text)
        except ValueError as error:
            raise SourceError(f"line {number} of standard input is no JSON: {error}") from None
        if not isinstance(value, dict) or not isinstance(value.get("prompt"), str):
            raise SourceError(f'line {number} of standard input: expected an object with a "prompt" that is a string')
        yield value["prompt"]
