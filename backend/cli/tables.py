"""The output of the command line: tables, and the progress of a run."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from unicodedata import category

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from backend.base import events
from backend.base.events import Event, Head, Interval, PruningStep, RunFinished, title_of
from backend.findings.verdict import Verdict
from backend.report.sentences import caveats
from backend.report.verdict import advice, headline
from backend.runs.records import RunRecord

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EXIT_STATUS = {"done": 0, "failed": 1, "cancelled": 130, "terminated": 143}


def print_json(plain: Any) -> None:
    print(json.dumps(plain, indent=2, ensure_ascii=False))


def share(value: float | None) -> str:
    """A rate in percent; a dash if it was not measured."""
    return "–" if value is None else f"{100 * value:.1f} %"


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return share(value)
    return f"{share(value)} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def duration(seconds: float | None) -> str:
    """Seconds as text, in a suitable unit."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def texts_table(title: str, rows: Sequence[Mapping[str, str]]) -> Table:
    """A table of rows of text, all with the same columns."""
    table = Table(*(escape(printable(name)) for name in rows[0]), title=escape(title), title_justify="left")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row.values()))
    return table


def printable(text: str) -> str:
    """The text with control characters written out: a file must not steer the terminal that shows it."""
    return "".join(
        repr(character)[1:-1]
        if category(character) in ("Cc", "Cs") and character not in "\n\t"
        else character
        for character in text
    )


def objects_table(title: str, objects: Sequence[Mapping[str, Any]]) -> Table:
    """A table of components: name, title, variants, parameters with their defaults."""
    table = Table("Name", "Title", "Variants", "Parameters", title=title, title_justify="left")
    for item in objects:
        properties = item["parameters"].get("properties", {})
        parameters = ", ".join(
            f"{name}={field['default']}" if field.get("default") not in (None, "") else name
            for name, field in properties.items()
        )
        cells = (item["name"], item["title"], ", ".join(item.get("variants", [])), parameters)
        table.add_row(*map(escape, cells))
    return table


def runs_table(records: Sequence[RunRecord]) -> Table:
    """One row per run, with the metrics of its last model."""
    table = Table(
        Column("Run", no_wrap=True),
        "Name",
        "State",
        *(Column(header, justify="right", no_wrap=True) for header in ("ACC", "LFR", "Pruned", "Time")),
        Column("Created", no_wrap=True),
    )
    for record in records:
        summary = record.summary
        last = list(summary.metrics.values())[-1] if summary and summary.metrics else None
        table.add_row(
            record.id,
            escape(record.name),
            _state(record),
            share(last.acc) if last else "",
            share(last.lfr) if last else "",
            str(len(summary.pruned_heads)) if summary else "",
            duration(record.seconds),
            time.strftime("%d %b %H:%M", time.localtime(record.created)),
        )
    return table


def _state(record: RunRecord) -> str:
    if record.state != "running":
        return record.state
    stage = f": {record.stage.replace('_', '-')}" if record.stage else ""
    return f"{'cancelling' if record.cancel_requested else 'running'}{stage}"


def metrics_table(metrics: Mapping[Any, events.Metrics]) -> Table:
    """ACC, LFR and clean flip rate of each model, with 95 % intervals."""
    table = Table("Model", "ACC", "LFR", "Clean flip rate", title="Metrics on test rows (95 % intervals)")
    for name, measured in metrics.items():
        table.add_row(
            title_of(name),
            _with_interval(measured.acc, measured.acc_interval),
            _with_interval(measured.lfr, measured.lfr_interval),
            _with_interval(measured.clean_flip_rate, measured.clean_flip_rate_interval),
        )
    return table


def steps_table(steps: Sequence[PruningStep]) -> Table:
    """The guardrail's pruning steps, one row each."""
    table = Table(
        "Step", "Pruned in total", "Restored", "Validation ACC", "ACC", "LFR", title="Pruning steps"
    )
    for step in steps:
        cells = (step.step, step.pruned_total, len(step.restored))
        table.add_row(*map(str, cells), share(step.val_acc), share(step.acc), share(step.lfr))
    return table


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Whether the backdoor was removed, and advice where something went wrong."""
    console.print(headline(verdict), style="bold", markup=False, highlight=False)
    for hint in advice(verdict):
        text = f"{hint.title}: {hint.shows}. {hint.tries}"
        console.print(text, style="yellow", markup=False, highlight=False)


def show_summary(console: Console, event: RunFinished) -> None:
    """The end of a run."""
    if event.metrics:
        console.print(metrics_table(event.metrics))
        last = list(event.metrics)[-1]
        for sentence in caveats(last, event.metrics[last]):
            console.print(sentence, style="yellow", markup=False, highlight=False)
    console.print(f"Heads pruned: {len(event.pruned_heads)}{_by_layer(event.pruned_heads)}", highlight=False)
    if event.random_weights:
        console.print(
            "The weights were random: only the cost is meaningful, not the metrics.", style="yellow"
        )
    console.print(f"Run {event.run}: {event.state} after {duration(event.seconds)}.", highlight=False)
    if event.error:
        console.print(event.error, style="red", markup=False, highlight=False)


def _by_layer(heads: Iterable[Head]) -> str:
    layers: dict[int, list[str]] = {}
    for layer, head in sorted(heads):
        layers.setdefault(layer, []).append(str(head))
    return "".join(f"\n  layer {layer}: {' '.join(numbers)}" for layer, numbers in layers.items())


def watch(console: Console, run_events: Iterable[Event]) -> Iterator[Event]:
    """Pass a run's events on, and print a line per result; on a terminal, progress bars too."""
    task: TaskID | None = None
    title = ""
    with _bars(console) as bars:
        for event in run_events:
            if isinstance(event, events.StageStarted):
                title = event.title
                task = bars.add_task(title, total=None, unit="")
            elif isinstance(event, events.Progress) and task is not None:
                bars.update(task, completed=event.done, total=event.total, unit=event.unit)
            elif isinstance(event, events.StageFinished):
                if task is not None:
                    bars.remove_task(task)
                    task = None
                how = "finished earlier" if event.reused else duration(event.seconds)
                console.print(f"✓ {title} ({how})", highlight=False)
            elif (line := _line(event)) is not None:
                console.print(f"  {line}", markup=False, highlight=False)
            yield event


@contextmanager
def counting(console: Console, title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for work that reports `(done, total)`; nothing if stderr is no terminal."""
    with _bars(console) as bars:
        task = bars.add_task(title, total=None, unit=unit)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _line(event: Event) -> str | None:
    """An event as one line, None if it is not shown."""
    if isinstance(event, events.RunStarted):
        return f"Run {event.run} on {event.device}{', resumed' if event.resumed else ''}"
    if isinstance(event, events.DataReady):
        return f"{event.source}: " + ", ".join(f"{rows} {name}" for name, rows in event.rows.items())
    if isinstance(event, events.RowsTriggered):
        return _triggered(event)
    if isinstance(event, PruningStep):
        lfr = "" if event.lfr is None else f", LFR {share(event.lfr)}"
        restored = f", {len(event.restored)} restored" if event.restored else ""
        return (
            f"Step {event.step}: {event.pruned_total} heads pruned{restored}; "
            f"validation {share(event.val_acc)} (τ {share(event.threshold)}), ACC {share(event.acc)}{lfr}"
        )
    if isinstance(event, events.Metric):
        lfr = "" if event.metrics.lfr is None else f", LFR {share(event.metrics.lfr)}"
        return f"{title_of(event.model)}: ACC {share(event.metrics.acc)}{lfr}"
    if isinstance(event, events.Warned):
        return f"Note: {event.message}"
    return None


def _triggered(event: events.RowsTriggered) -> str:
    """How many rows carry the trigger, and how many were left out."""
    parts = []
    for kind, used, left_out in (
        (
            "rows of the poisoned training file" if event.ready_made else "poisoned training rows",
            event.poisoned,
            event.poisoned_left_out,
        ),
        ("triggered test rows", event.triggered, event.triggered_left_out),
    ):
        if used:
            parts.append(f"{used} {kind}" + (f" ({left_out} left out)" if left_out else ""))
    return ", ".join(parts)
