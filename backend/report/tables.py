"""What a run found, as tables of plain text: for the HTML report and the model card."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from backend.analysis.head_effects import Effects, Measure
from backend.base.components import Choice, registered
from backend.base.events import Head, HeadScores, Metrics, ModelName, PruningStep, title_of
from backend.base.numbers import duration, percent, with_interval
from backend.runs.progress import RunProgress
from backend.spec.run import RunSpec


@dataclass(frozen=True)
class Table:
    """A head, and rows of as many cells; the first `texts` columns hold text, the others numbers."""

    head: list[str]
    rows: list[list[str]]
    texts: int = 1


def metrics_table(metrics: Mapping[ModelName, Metrics]) -> Table:
    """The held-out numbers of each model with their 95 % intervals, without LFR where none was measured."""
    has_lfr = any(row.lfr is not None for row in metrics.values())
    head = ["Model", "ACC", "Test rows"]
    head += ["LFR", "Clean flip rate (floor)", "Triggered rows"] if has_lfr else []
    rows = []
    for name, one in metrics.items():
        row = [title_of(name), with_interval(one.acc, one.acc_interval), f"{one.test_rows:,}"]
        if has_lfr:
            row += [
                with_interval(one.lfr, one.lfr_interval),
                with_interval(one.clean_flip_rate, one.clean_flip_rate_interval),
                f"{one.triggered_rows:,}",
            ]
        rows.append(row)
    return Table(head, rows)


def classes_table(metrics: Metrics) -> Table:
    """Clean test rows of each class and the model's predictions for them."""
    head = ["Class", "Rows", "Correct", *(f"Predicted {row.label}" for row in metrics.per_class)]
    rows = [
        [row.label, f"{row.rows:,}", percent(row.accuracy), *(f"{number:,}" for number in row.called)]
        for row in metrics.per_class
    ]
    return Table(head, rows)


def steps_table(steps: Sequence[PruningStep]) -> Table:
    """Pruning under the guardrail, step by step; heads as layer.head."""
    has_lfr = any(step.lfr is not None for step in steps)
    head = ["Step", "Pruned in this step", "Tried and restored", "Pruned in all", "Validation, all tried"]
    head += ["Validation", "ACC", *(["LFR"] if has_lfr else [])]
    rows = []
    for step in steps:
        row = [str(step.step), heads_text(step.pruned), heads_text(step.restored), str(step.pruned_total)]
        row += [percent(step.tried_val_acc), percent(step.val_acc), percent(step.acc)]
        rows.append(row + ([percent(step.lfr)] if has_lfr else []))
    return Table(head, rows, texts=3)


def heads_text(heads: Iterable[Head]) -> str:
    """`0.3 0.7`, or a dash where there are none."""
    return " ".join(f"{layer}.{head}" for layer, head in heads) or "–"


def layers_table(scores: HeadScores, pruned: Sequence[Head]) -> Table:
    """Which heads were pruned in each layer."""
    gone = {layer: sorted(head for at, head in pruned if at == layer) for layer in range(scores.layers)}
    rows = [
        [str(layer), " ".join(map(str, heads)) or "–", f"{len(heads)}", f"{scores.heads - len(heads)}"]
        for layer, heads in gone.items()
    ]
    return Table(["Layer (0 is nearest the input)", "Heads pruned", "Pruned", "Left"], rows, texts=2)


def effects_table(effects: Effects) -> Table:
    """ACC and LFR with each head switched off in the fine-tuned model, largest change first."""
    measures: list[Measure] = ["acc"] if effects.before.lfr is None else ["acc", "lfr"]
    last = measures[-1]

    def change(name: str) -> float:
        without_head, before = (
            effects.rate(effect, last)[0] for effect in (effects.gated[name], effects.before)
        )
        return abs((without_head or 0.0) - (before or 0.0))

    rows = [
        [name, *(with_interval(*effects.rate(effects.gated[name], measure)) for measure in measures)]
        for name in sorted(effects.gated, key=change, reverse=True)
    ]
    return Table(["Head switched off (layer.head)", *(measure.upper() for measure in measures)], rows)


def stages_table(progress: RunProgress) -> Table:
    """How long each stage took."""
    rows = []
    for view in progress.stages.values():
        time = "reused" if view.reused else duration(view.seconds)
        rows.append([view.title, "stopped" if view.state == "stopped" else time])
    return Table(["Stage", "Time"], rows)


def settings_table(spec: RunSpec) -> Table:
    """Every setting that is not empty by its title, with its key on the command line."""
    rows = [row for row in _settings(spec, "", "") if row[1]]
    return Table(["Setting", "Value", "Key"], rows, texts=3)


def _settings(part: BaseModel, path: str, title: str) -> Iterable[list[str]]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        key, label = f"{path}{name}", f"{title}{field.title or name.replace('_', ' ').capitalize()}"
        if name == "params" and isinstance(part, Choice):
            yield from _params(part, key, title)
        elif isinstance(value, BaseModel):
            yield from _settings(value, f"{key}.", f"{label}: ")
        elif name == "edits":
            yield [label, f"{len(value):,}" if value else "", key]
        else:
            yield [label, _value(value), key]


def _params(choice: Choice, key: str, title: str) -> Iterable[list[str]]:
    """A component's parameters, including those left at their defaults."""
    kind = key.split(".")[-2]  # trigger, defense or strategy
    path = key.removesuffix("params") if kind == "defense" else f"{key}."
    yield from _settings(registered(kind)[choice.name].parse(choice.params), path, title)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return "" if value is None else str(value)
