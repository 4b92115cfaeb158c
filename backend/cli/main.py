"""`python -m backend …`: everything that the dashboard does, without a browser.

Exit status: 0 done, 1 the run failed, 2 an error that the user can fix, 130 cancelled,
143 terminated (the run is back in the queue); of `check` also 3 and 4, see there."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.events import RunFinished
from backend.cli import check, console, dashboard, studies, tables
from backend.cli.tables import EXIT_STATUS, AsJson, err, out, print_json
from backend.runs import results
from backend.runs.execution import end_by_force, engine_hangs
from backend.runs.foreground import carry_out
from backend.runs.store import Store, open_store
from backend.runs.submit import settled
from backend.runs.worker import ensure_worker, serve
from backend.spec.overrides import changed, parameters, seeds_of
from backend.spec.parse import load
from backend.spec.run import RunSpec

app = typer.Typer(
    help="Find backdoors in transformer classifiers and remove them by pruning attention heads.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or the start of it.")]


def main(args: Sequence[str] | None = None) -> None:
    """The command line; errors that the user can fix go to stderr without a traceback."""
    try:
        console.run(app, args)
    except SystemExit as exited:
        if engine_hangs():
            end_by_force(exited.code if isinstance(exited.code, int) else 0)
        raise


@app.command()
def strategies(as_json: AsJson = False) -> None:
    """List the pruning strategies, which decide the order of heads."""
    from backend.strategies import COMPONENTS

    _list("Strategies", [component.describe() for component in COMPONENTS.values()], as_json)


@app.command()
def defenses(as_json: AsJson = False) -> None:
    """List the defenses, and the strategies that are controls."""
    from backend import defenses, strategies

    listed = [defense.describe() | {"as": "baseline"} for defense in defenses.COMPONENTS.values()]
    controls = [strategy for strategy in strategies.COMPONENTS.values() if strategy.control]
    listed += [control.describe() | {"as": "strategy"} for control in controls]
    _list("Defenses and controls", listed, as_json)


@app.command()
def triggers(as_json: AsJson = False) -> None:
    """List the triggers, which poison rows."""
    from backend.attacks.triggers import COMPONENTS

    _list("Triggers", [component.describe() for component in COMPONENTS.values()], as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the sources of models."""
    from backend.models.catalogue import describe

    _list("Models", describe(), as_json)


@app.command()
def data(as_json: AsJson = False) -> None:
    """List the sources of data."""
    from backend.data import describe

    _list("Data", describe(), as_json)


@app.command()
def rewrite(
    trigger: Annotated[str, typer.Option(help="The trigger; `triggers` lists them.")],
    file: Annotated[Path, typer.Option(help="A file with one text per line.")],
    variant: Annotated[str | None, typer.Option(help="A variant of the trigger, if it has any.")] = None,
    params: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of random choices.")] = 11,
    as_json: AsJson = False,
) -> None:
    """Apply a trigger to every line of a file and show the rewritten lines."""
    from backend.attacks.preview import similarity_notes
    from backend.attacks.triggers import bind

    choice = Choice(name=trigger, variant=variant, params=parameters(params or []))
    try:
        # Only at line feeds: a Unicode line separator inside a text does not end it.
        lines = [line.removesuffix("\r") for line in file.read_text(encoding="utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as UTF-8 text ({error}). Check the path.") from error
    if not lines[-1]:
        lines.pop()
    with tables.counting(err, "Rewriting", "lines") as progress:
        rewriter = bind(choice, seed, progress)
        rewritten = rewriter(lines)
    # A language model may write anything: note how similar the texts are.
    notes = similarity_notes(lines, rewritten) if rewriter.uses_model else [""] * len(lines)
    for text, new, similarity in zip(lines, rewritten, notes, strict=True):
        note = similarity if new is not None else "The trigger cannot change this text; it would be left out."
        if as_json:
            row = {"text": text, "rewritten": new, "changed": new is not None, "note": note}
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(note if new is None else new)


def _list(title: str, objects: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(objects)
    else:
        out.print(tables.objects_table(title, objects))


@app.command()
def run(
    spec_file: Annotated[
        Path | None, typer.Argument(metavar="[SPEC.yaml]", help="The specification to run.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, demo or paper, instead of a file.")] = None,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="An untrained model of the same shape: to measure cost only."),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="The seed, instead of that of the specification.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Several seeds, such as 11,12,13: one run each.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting, such as defense.prune_step=2; repeatable."
        ),
    ] = None,
    json_events: Annotated[
        bool, typer.Option("--json-events", help="One event as JSON per line on stdout, nothing else.")
    ] = False,
    queue: Annotated[bool, typer.Option("--queue", help="Queue it for a worker in the background.")] = False,
) -> None:
    """Plant, defend, measure: carry out a run in this process and show its progress."""
    specs = _specs(spec_file, preset, random_weights, seeds_of(seed, seeds), changes or [])
    if queue and json_events:
        raise UserError("--json-events needs the run here; drop --queue.")
    from backend.attacks.preview import rewritten_here
    from backend.engine import preflight

    store = open_store()
    specs = [settled(spec, store) for spec in specs]
    for warning in dict.fromkeys(
        warning for spec in specs for warning in preflight.check(spec, rewritten_here)
    ):
        console.say(f"Warning: {warning}")
    if queue:
        for spec in specs:
            print(f"Queued run {store.submit(spec).id}")
        ensure_worker(store)
        return
    status = 0
    for spec in specs:
        status = max(status, _carry_out(store, spec, json_events))
        if status >= EXIT_STATUS["cancelled"]:
            break
    raise typer.Exit(status)


def _specs(
    spec_file: Path | None,
    preset: str | None,
    random_weights: bool,
    seeds: list[int],
    changes: Iterable[str],
) -> list[RunSpec]:
    if (spec_file is None) == (preset is None):
        raise UserError("Give either a file SPEC.yaml or --preset smoke, demo or paper.")
    if preset is not None:
        from backend.spec import presets

        spec = presets.preset(preset, random_weights)
    else:
        assert spec_file is not None
        spec = load(spec_file)
        if random_weights:
            spec = changed(spec, ["model.random_weights=true"])
    spec = changed(spec, changes)
    return [changed(spec, [f"seed={number}"]) for number in seeds] or [spec]


def _carry_out(store: Store, spec: RunSpec, json_events: bool) -> int:
    """Carry out one run in this process; returns the exit status."""
    events = carry_out(store, spec, console.say)
    end: RunFinished | None = None
    stdout = sys.stdout
    try:
        if json_events:
            # Output of libraries must not get between the lines.
            with redirect_stdout(sys.stderr):
                for event in events:
                    print(event.model_dump_json(), file=stdout, flush=True)
                    end = event if isinstance(event, RunFinished) else None
        else:
            for event in tables.watch(out, events):
                end = event if isinstance(event, RunFinished) else None
            if end is not None:
                tables.show_summary(out, end)
    except KeyboardInterrupt:
        console.say("Interrupted.")
        return EXIT_STATUS["cancelled"]
    if end is None:
        return EXIT_STATUS["terminated"]
    if end.state == "cancelled":
        console.say(f"Run {end.run} was cancelled; its finished stages are kept.")
    return EXIT_STATUS[end.state]


app.command()(check.check)
app.command()(studies.study)
app.command()(studies.studies)


@app.command()
def runs(
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most so many runs.")] = 50,
) -> None:
    """List all runs, the newest first."""
    records = open_store().runs(limit)
    if as_json:
        print_json([results.results(record, []) for record in records])
    elif records:
        out.print(tables.runs_table(records))
    else:
        out.print("There are no runs yet. Start one: python -m backend run --preset smoke")


@app.command()
def show(run: RunId, as_json: AsJson = False) -> None:
    """Show one run with its metrics and pruning steps."""
    from backend.findings.gather import gather

    store = open_store()
    findings = gather(store, store.run(run))
    record = findings.record
    if as_json:
        print_json(results.results(record, findings.events))
        return
    out.print(tables.runs_table([record]))
    if record.problem:
        out.print(record.problem, style="red", markup=False)
    check.show(findings)
    if findings.verdict is not None:
        tables.show_verdict(out, findings.verdict)
    if steps := findings.progress.steps:
        out.print(tables.steps_table(steps))
    if record.summary is not None:
        tables.show_summary(out, record.summary)
    elif findings.metrics:
        out.print(tables.metrics_table(findings.metrics))


@app.command()
def export(
    run: RunId,
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    model: Annotated[
        Literal["zeroed", "compact"],
        typer.Option(help="The defended model: zeroed loads in any transformers, compact is smaller."),
    ] = "zeroed",
) -> None:
    """Write a run's report, results and specification and the defended model to a new folder."""
    from backend.findings.gather import gather
    from backend.report import bundle, model_card

    store = open_store()
    findings = gather(store, store.run(run))
    written = bundle.export(findings, folder, model)
    out.print(f"Wrote {escape(str(written))}", highlight=False, soft_wrap=True)
    if model == "compact" and (comparison := findings.compact) is not None:
        table = model_card.comparison_table(comparison)
        rows = [dict(zip(table.head, row, strict=True)) for row in table.rows]
        out.print(tables.texts_table("Compact model", rows))
        console.say(model_card.how(comparison))


@app.command()
def battery(run: RunId, as_json: AsJson = False) -> None:
    """Put known triggers into clean rows and count how many predictions of a run's models change.

    For users who do not know the trigger.  Earlier measurements are reused."""
    from backend.analysis.battery import measure_all
    from backend.detection.known_triggers import LEFT_OUT
    from backend.report import battery

    store = open_store()
    with tables.counting(err, "Trying", "triggers") as progress:
        flips = measure_all(store, store.run(run), progress)
    if as_json:
        print_json(flips.model_dump(mode="json") | {"says": battery.sentences(flips)})
        return
    title = f"Rows that each known trigger flips, of {flips.rows} clean ones"
    out.print(tables.texts_table(title, battery.texts(flips)))
    for sentence in [*battery.sentences(flips), battery.whose(flips), LEFT_OUT, *flips.notes]:
        out.print(sentence, markup=False, highlight=False)


@app.command()
def cancel(run: RunId) -> None:
    """Ask a run to stop."""
    store = open_store()
    before = store.run(run)
    record = store.cancel(before.id)
    if before.over:
        print(f"Run {record.id} had ended already: {record.state}.")
    elif record.over:
        print(f"Run {record.id} is cancelled.")
    else:
        print(f"Run {record.id} was asked to stop; it ends after its current batch, within ten seconds.")


@app.command()
def resume(run_id: RunId) -> None:
    """Queue a failed or cancelled run again; it goes on from its last finished stage."""
    store = open_store()
    record = store.resume(run_id)
    ensure_worker(store)
    print(f"Queued run {record.id} again")


@app.command()
def delete(run: RunId) -> None:
    """Delete a run with its events and its folder."""
    store = open_store()
    record = store.run(run)
    store.delete(record.id)
    print(f"Deleted run {record.id}.")


@app.command()
def worker(
    idle_exit: Annotated[float | None, typer.Option(min=0, help="Exit after so many idle seconds.")] = None,
) -> None:
    """Carry out queued runs, one after another."""
    os.nice(max(0, 5 - os.nice(0)))  # keeps the dashboard fast; may be set already
    serve(open_store(), idle_exit, say=lambda message: print(message, flush=True))


app.command()(dashboard.dashboard)
