"""Templates over task data: every row of a data set, by every template for it, becomes a record or a reject.

A Beam element is one shard of the data, as in ingest. Its worker reads the rows, has them rendered in a process of its
own, and refines what comes of them as ingest does. `rows_in` counts pairs of row and template.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import orjson
import xxhash
from annotated_types import Ge, Le

from collection import templates
from collection.languages import Language
from collection.manifest import Input, Manifest, Tally, total_of, unfair_reasons
from collection.record import Message, Record
from collection.reject import REASONS, Reason, Reject
from collection.stage import Marker, RunState, complete, is_made
from collection.store import PartWriter
from collection.templates import Template, word_count
from core import config as configuration
from core import files, version
from core.errors import ConfigError, MissingDependencyError, SourceError
from core.paths import as_path
from core.progress import Progress
from core.run_folder import identity_hash
from core.tables import Row, Slice, location, raw_text
from pipelines import runner
from pipelines.augment.sandbox import Job, Limits, Sandbox, as_json
from pipelines.augment.task_data import TaskData, language_of, rows_of, subsets_in
from pipelines.ingest.clean import RowCleaner, RowConfig, detector_of, wanted_languages
from pipelines.ingest.sources.base import Parsed, ParseFault, split_in_path
from pipelines.rows import read_rows, size_of
from pipelines.runner import RunConfig
from pipelines.shard_phase import run_shard_phase
from pipelines.shards import Plan, ShardTask, SourceSlice, plan

CODE: Final = ("core", "collection", "pipelines")


@dataclass(frozen=True)
class SelectConfig:
    """Which templates are used, and which of their rows: Aya's reviewers dropped half of PromptSource's."""

    names: tuple[str, ...] = ()  # only templates of these names; none named: all
    original_task: bool = False  # only templates for the task that the data set was made for
    similarity: Annotated[float, Ge(0.5), Le(1)] = 1.0  # templates this similar to an earlier one are left out; 1: none
    min_target_words: int = 1  # fewer words in the answer make the row a reject; Aya: 3


@dataclass(frozen=True)
class TemplateConfig(RowConfig):
    """The configuration of `glotmill template`."""

    sets: tuple[TaskData, ...] = ()  # [[sets]] with templates, data and options; --templates and --data add one
    select: SelectConfig = field(default_factory=SelectConfig)
    limits: Limits = field(default_factory=Limits)
    run: RunConfig = field(default_factory=RunConfig)


class Chosen(NamedTuple):
    """The templates of a run, by the set that they belong to, and what is to be said of those that are not used."""

    by_set: tuple[tuple[Template, ...], ...]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]

    @property
    def all(self) -> list[Template]:
        return [one for chosen in self.by_set for one in chosen]


def template(
    config: TemplateConfig,
    out: Path,
    *,
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Renders all sets into `out`, or takes up there what a killed run left; the manifest of the finished stage.

    SourceError where templates or data cannot be read, or fit nowhere; OutputError where `out` cannot be used.
    """
    progress = progress or Progress.silent()
    chosen = choose(config)
    wanted_languages(config.languages)
    detector = detector_of(config)
    progress.note("looking at the data")
    planned = plan([(one.data, one.encoding) for one in config.sets])
    identity = _identity(config, planned, chosen, detector.signature if detector else "none")
    if not (fresh or runner.is_dry_run(beam_args)) and is_made(out, identity, progress):
        return Manifest.read(out)

    runner.check_paths(beam_args, [str(out), *(file.path for file in planned.inputs)])
    begun = time.monotonic()
    with runner.workplace(out, identity, fresh, beam_args) as place:
        function = partial(run_task, config=config)
        run_shard_phase(
            "template", function, planned, place, config.run, beam_args, progress, work_per_byte=_WORK_A_BYTE
        )
        manifest = _manifest(planned, chosen, identity, [place.read(task.name) for task in planned.tasks])
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        _check_sets(manifest, out)
        complete(out, manifest)
    return manifest


# Each row is rendered and refined once for each template.
_WORK_A_BYTE: Final = 8


def choose(config: TemplateConfig) -> Chosen:
    """The templates that a configuration means. ConfigError where none is left, SourceError where none can be read."""
    try:
        import jinja2  # noqa: F401 - what the rendering process will need
    except ImportError as error:
        raise MissingDependencyError("jinja2", "augment", "rendering templates") from error
    if not config.sets or not all(one.templates and one.data for one in config.sets):
        raise ConfigError(
            "nothing to render: expected --templates PATH with --data PATH, or [[sets]] with both in the configuration"
        )
    by_set: list[tuple[Template, ...]] = []
    inputs: dict[str, Input] = {}
    notes: list[str] = []
    for one in config.sets:
        found: list[Template] = []
        for file in templates.find_files(Path(one.templates).expanduser()):
            found += templates.read_templates(file)
            inputs.setdefault(str(file), Input(str(file), file.stat().st_size, files.content_hash(file)))
        by_set.append(tuple(_selected(found, config.select, one.templates, notes)))
    return Chosen(tuple(by_set), tuple(inputs.values()), tuple(notes))


def _selected(found: list[Template], select: SelectConfig, where: str, notes: list[str]) -> list[Template]:
    unknown = sorted(set(select.names) - {one.name for one in found})
    if unknown:
        names = ", ".join(sorted({one.name for one in found})[:20])
        raise ConfigError(f"{where} has no template called {unknown[0]!r}; it has: {names}")
    named = [one for one in found if not select.names or one.name in select.names]
    kept = [one for one in named if one.original_task is not False] if select.original_task else named
    if dropped := len(named) - len(kept):
        notes.append(f"{where}: {dropped} of {len(named)} templates are for another task than the data set's own")
    if select.similarity < 1:
        alike = {place: (other, share) for place, other, share in templates.similar(kept, select.similarity)}
        if alike:
            shown = [f"{kept[a].name} ({share:.2f} like {kept[b].name})" for a, (b, share) in list(alike.items())[:5]]
            notes.append(
                f"{where}: {len(alike)} of {len(kept)} templates are nearly identical to another: {', '.join(shown)}"
            )
        kept = [one for place, one in enumerate(kept) if place not in alike]
    if not kept:
        raise ConfigError(f"{where}: none of its {len(found)} templates is left: loosen `select`")
    return kept


class Rendering(NamedTuple):
    """One template over one row of a set: the parts that it gave, or why it gave none."""

    template: Template
    outcome: list[str] | str
    row: Mapping[str, Any]


class TaskSource:
    """What refining knows as a source: renderings become prompts and answers."""

    def __init__(self, data: TaskData, chosen: Sequence[Template], min_target_words: int) -> None:
        self._data, self._least = data, min_target_words
        self.name = data.name or chosen[0].dataset or "templates"

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        rendering: Rendering = row["rendering"]
        template, outcome = rendering.template, rendering.outcome
        if isinstance(outcome, str):
            raise ParseFault(Reason.TEMPLATE_FAILED, f"{template.name}: {outcome}")
        if len(outcome) < 2 or not outcome[0] or not outcome[1]:
            raise ParseFault(Reason.NOT_APPLICABLE, template.name)
        if len(outcome) > 2:
            raise ParseFault(Reason.SEVERAL_TARGETS, f"{template.name}: {len(outcome) - 1} answers")
        prompt, target = outcome
        subset = self._data.subset or template.subset
        language = language_of(rendering.row, self._data, subset, file)
        self._check_length(target, language, template)
        return Parsed(
            (Message("user", prompt), Message("assistant", target)),
            language,
            source_id=row["id"],
            dataset=self._data.dataset or (f"{template.dataset}/{subset}" if subset else template.dataset),
            template=template.name,
            split=self._data.split or split_in_path(file),
            origin="template",
            license=self._data.license or "unknown",
        )

    def _check_length(self, target: str, language: Language | None, template: Template) -> None:
        words = word_count(target, language) if self._least > 1 else 1
        if words < self._least:
            raise ParseFault(Reason.SHORT_TARGET, f"{template.name}: {words} of {self._least} words: {target[:80]!r}")


def run_task(task: ShardTask, *, config: TemplateConfig, place: RunState) -> Tally | None:
    """Reads, renders, refines and writes one shard; its counts. A shard that is done already is left alone."""
    name = task.name
    if place.is_done(name):
        return None
    with (
        place.unit(name) as work,
        PartWriter(as_path(place.out), task.index, task.count) as part,
        Workshop(config) as workshop,
    ):
        rows = weight = 0
        for piece in task.slices:
            seen = 0
            for batch in read_rows(piece.slice):
                seen += size_of(batch)
                for outcomes in workshop.made(batch, piece):
                    part.write(outcomes)
                    rows += len(outcomes)
                work.beat(rows, weight + min(seen, piece.weight))
            weight += piece.weight
            work.beat(rows, weight, last=piece is task.slices[-1])
        work.tally.add(workshop.tally)
    return work.tally


class Workshop:
    """All that a worker needs to make records of task data: templates, their sandbox, the cleaner."""

    def __init__(self, config: TemplateConfig) -> None:
        self._config = config
        self._chosen = choose(config)
        self._sources = [
            TaskSource(data, found, config.select.min_target_words)
            for data, found in zip(config.sets, self._chosen.by_set, strict=True)
        ]
        self._cleaner = RowCleaner(config)
        self._sandbox = Sandbox(self._chosen.all, config.limits)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self._sandbox.__exit__()

    @property
    def tally(self) -> Tally:
        """What became of the rows so far."""
        return self._cleaner.tally

    def made(self, batch: Sequence[Row | Reject], piece: SourceSlice) -> Iterator[list[Record | Reject]]:
        """What becomes of the rows of a batch, some hundred rows of data at once."""
        data, part = self._config.sets[piece.source], piece.slice
        fitting = _fitting(self._chosen, self._config.sets, piece.source, part.name)
        rows = list(rows_of(batch, data, part))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chunk = rows[start : start + _ROWS_AT_ONCE]
            drafts, parents = _rendered(chunk, fitting, self._chosen, self._sandbox, part)
            outcomes = self._cleaner.clean(drafts, self._sources[piece.source], part)
            yield [_with_parent(one, parent) for one, parent in zip(outcomes, parents, strict=True)]


_ROWS_AT_ONCE: Final = 100


def _fitting(chosen: Chosen, sets: Sequence[TaskData], number: int, file: str) -> tuple[int, ...]:
    """The templates, by their place among all, that are for a file: those of its subset, or of none.

    Templates of one subset alone are for whatever data they were given with.
    """
    before = sum(len(found) for found in chosen.by_set[:number])
    found = list(enumerate(chosen.by_set[number], before))
    subsets = {one.subset for _, one in found}
    if len(subsets) == 1:
        return tuple(place for place, _ in found)
    told = {sets[number].subset} if sets[number].subset else subsets_in(file)
    return tuple(place for place, one in found if not one.subset or one.subset in told)


def _rendered(
    rows: Sequence[Row | Reject], fitting: tuple[int, ...], chosen: Chosen, sandbox: Sandbox, part: Slice
) -> tuple[list[Row | Reject], list[str]]:
    """What templates make of rows, as rows to be refined, and beside each the id of the row that it was made of."""
    known = chosen.all
    ids = ["" if isinstance(row, Reject) else _row_id(known[fitting[0]] if fitting else None, row) for row in rows]
    jobs = [Job(row.data, id, fitting) for row, id in zip(rows, ids, strict=True) if isinstance(row, Row) and fitting]
    answers = iter(sandbox.render(jobs))
    drafts: list[Row | Reject] = []
    parents: list[str] = []
    for row, row_id in zip(rows, ids, strict=True):
        if isinstance(row, Reject):
            drafts.append(row)
            parents.append("")
            continue
        raw = raw_text(row)
        if not fitting:
            detail = f"{part.name} names no subset of the templates"
            drafts.append(Reject(Reason.NO_TEMPLATE, detail, location=location(part, row.number), raw=raw))
            parents.append("")
            continue
        for place, outcome in zip(fitting, next(answers), strict=True):
            one = known[place]
            data = {"rendering": Rendering(one, outcome, row.data), "id": f"{row_id}\x1f{one.id}"}
            drafts.append(Row(data, raw, row.number))
            parents.append(row_id)
    return drafts, parents


def _row_id(template: Template | None, row: Row) -> str:
    """32 hex digits for a row of task data: what is made of it falls into one split, whatever the template."""
    values = as_json(row.data, orjson.OPT_SORT_KEYS)
    return xxhash.xxh3_128_hexdigest(f"{template.dataset if template else ''}\x1f".encode() + values)


def _with_parent(outcome: Record | Reject, parent: str) -> Record | Reject:
    return dataclasses.replace(outcome, parent_id=parent) if isinstance(outcome, Record) else outcome


def _identity(config: TemplateConfig, planned: Plan, chosen: Chosen, detector: str) -> dict[str, Any]:
    import importlib.metadata

    values = configuration.as_dict(config)
    del values["run"]
    return {
        "command": "template",
        "code": version.code_hash(*CODE),
        "versions": {
            "detector": detector,
            **{name: importlib.metadata.version(name) for name in ("ftfy", "jinja2", "pyarrow")},
        },
        "config": json.loads(json.dumps(values)),
        "inputs": [dataclasses.asdict(item) for item in (*chosen.inputs, *planned.inputs)],
    }


def _check_sets(manifest: Manifest, out: Path) -> None:
    """SourceError for a set of which not a single row could be rendered: its templates are for other data."""
    for name, balance in manifest.sources.items():
        failed = sum(
            count
            for reason, count in balance.rejected.items()
            if REASONS[Reason(reason)][0] in ("read", "parse") or reason in _MISFITS
        )
        if failed == balance.rows_in:
            first = next((line["detail"] for line in _first_rejects(out, name)), "no rows")
            raise SourceError(f"{name}: no template could be rendered over any row of it, e.g. {first}")
    if not manifest.rows_in:
        raise SourceError("the data holds no rows")


_MISFITS: Final = (Reason.TEMPLATE_FAILED, Reason.NOT_APPLICABLE, Reason.NO_TEMPLATE)


def _first_rejects(out: Path, source: str) -> Iterator[dict[str, Any]]:
    from collection import store

    return (line for line in store.rejects(out) if line["source"] == source)


def _manifest(planned: Plan, chosen: Chosen, identity: dict[str, Any], markers: Sequence[Marker]) -> Manifest:
    tally = total_of(marker.tally for marker in markers)
    verdicts: dict[str, dict[str, int]] = {}
    for (language, verdict), count in sorted(tally.verdicts.items()):
        verdicts.setdefault(language, {})[verdict] = count
    notes = [f"each row of data was rendered by every template for it, {len(chosen.all)} in all", *chosen.notes]
    if planned.ignored:
        names = ", ".join(planned.ignored[:10])
        notes.append(f"{len(planned.ignored)} files of no known format were left out: {names}")
    manifest = Manifest.of(
        "template",
        tally,
        len(markers),
        glotmill=version.VERSION,
        **{name: identity[name] for name in ("code", "versions", "config")},
        inputs=[Input(**item) for item in identity["inputs"]],
        language_id={
            "detector": identity["versions"]["detector"],
            "verdicts": verdicts,
            "relabelled": [[declared, found, count] for (declared, found), count in sorted(tally.relabelled.items())],
        },
        notes=notes,
        run={
            **version.describe(),
            "identity": identity_hash(identity),
            "shard_seconds": round(sum(marker.seconds for marker in markers), 1),
        },
    )
    manifest.warnings = unfair_reasons(manifest.languages)
    if errors := manifest.rejected.get(Reason.INTERNAL_ERROR.value):
        told = f"glotmill itself failed on {errors} rows (internal_error in rejects/): please report it"
        manifest.warnings.insert(0, told)
    return manifest
