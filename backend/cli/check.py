"""`python -m backend check`: is a model backdoored, by what, and how sure is that.

Exit status: 0 nothing found, 3 suspicious or backdoored, 4 cannot tell; the others as everywhere."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from backend.base.errors import UserError
from backend.base.events import Event, RunFinished, Warned
from backend.cli import console, tables
from backend.cli.tables import EXIT_STATUS, AsJson, err, out, print_json
from backend.evaluation.rates import at_chance
from backend.findings.check import CheckLevel
from backend.findings.gather import Findings, gather
from backend.report import check as sentences
from backend.runs.foreground import carry_out
from backend.runs.store import Store, open_store
from backend.runs.submit import settled
from backend.spec.overrides import changed, parameters
from backend.spec.parse import parse
from backend.spec.run import RunSpec

TARGET = "1"
LEVEL_STATUS: dict[CheckLevel, int] = {
    "nothing found": 0,
    "suspicious": 3,
    "backdoored": 3,
    "cannot tell": 4,
}
GRAVEST = (130, 143, 1, 2, 3, 4, 0)
"""Of several models the first of these that any of them has."""
STYLE: dict[CheckLevel, str] = {
    "nothing found": "bold green",
    "suspicious": "bold yellow",
    "backdoored": "bold red",
    "cannot tell": "bold yellow",
}


def check(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL…", help="Folders, names on the hub, or ids of runs.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="A file of labelled rows; without it the built-in reviews.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="A trigger that you suspect; `triggers` lists them.")
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter of it; repeatable.")
    ] = None,
    target: Annotated[str, typer.Option(help="The class that it leads to: name or number.")] = TARGET,
    base: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="The model that they claim to come from, if you trust it: a folder, or a name on the hub.",
        ),
    ] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as data.label=stars; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of random choices.")] = 11,
    as_json: AsJson = False,
) -> None:
    """Check whether models are backdoored, and by what.  Needs no defense and changes nothing.

    Exit status: 0 nothing found, 3 suspicious or backdoored, 4 cannot tell."""
    if trigger is None and (params or target != TARGET):
        raise UserError("--param and --target are for a suspected trigger: name it with --trigger.")
    store = open_store()
    settings: dict[str, Any] = {"seed": seed, "share": True, "check": {"base": base}}
    if data is not None:
        settings["data"] = {"source": "files", "train": str(data)}
    if trigger is not None:
        chosen = {"name": trigger, "params": parameters(params or [])}
        settings["trigger"] = chosen | {"target_class": int(target) if target.isdigit() else target}
    results = [_checked(store, model, settings, changes or [], len(models) > 1, as_json) for model in models]
    if as_json:
        plain = [result for result, _ in results]
        print_json(plain if len(plain) > 1 else plain[0])
    elif len(models) > 1:
        out.print(_table(models, [result for result, _ in results]))
    raise typer.Exit(next(status for status in GRAVEST if status in [status for _, status in results]))


def _checked(
    store: Store,
    model: str,
    settings: dict[str, Any],
    changes: list[str],
    one_of_several: bool,
    as_json: bool,
) -> tuple[dict[str, Any], int]:
    """The result of one model as plain data, and its exit status."""
    try:
        spec = changed(
            parse(settings | {"model": model_named(store, model), "name": f"Check of {model}"}), changes
        )
        findings, status = _carry_out(store, settled(spec, store))
    except UserError as error:
        if not one_of_several and not as_json:
            raise
        console.say(f"{model}: {error}" if one_of_several else f"Error: {error}")
        return {"model_name": model, **sentences.refused_json(str(error))}, 2
    if not as_json:
        show(findings)
    return {"model_name": model, **sentences.as_json(findings)}, status


def model_named(store: Store, name: str) -> dict[str, str]:
    """The settings of the model that a user named.  Raises UserError where nothing is called so."""
    if not name.strip():
        raise UserError("MODEL is empty. Give a folder, a name on the hub, or the id of a run.")
    path = Path(name).expanduser()
    if path.is_dir():
        return {"source": "folder", "name": name}
    if name == "embedded":
        return {"source": "embedded"}
    if path.exists() or name.startswith((".", "/", "~")):
        raise UserError(f"{name} is not a folder. Give the folder that holds the model's config.json.")
    try:
        return {"source": "run", "name": store.run(name).id}
    except UserError:
        require_hub_name(name)
        return {"source": "hub", "name": name}


def require_hub_name(name: str) -> None:
    """Raise UserError where nothing on the hub can be called so."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise UserError(
            f"{name} is neither a folder on this machine, nor the id of a run, nor a name on the Hugging "
            "Face hub such as owner/model. Give one of these."
        ) from None


def _carry_out(store: Store, spec: RunSpec) -> tuple[Findings, int]:
    from backend.attacks.preview import rewritten_here
    from backend.engine import preflight

    notes = preflight.check(spec, rewritten_here)
    for note in notes:
        console.say(f"Note: {note}")
    end: RunFinished | None = None
    with redirect_stdout(sys.stderr):  # stdout is for results
        events = (event for event in carry_out(store, spec, console.say) if not _told(event, notes))
        for event in tables.watch(err, events):
            end = event if isinstance(event, RunFinished) else None
    if end is None:
        raise typer.Exit(EXIT_STATUS["terminated"])
    findings = gather(store, store.run(end.run))
    if end.state != "done":
        if end.error:
            console.say(f"Error: {end.error}")
        # A question about the order of classes: as it stands the model only guesses.
        guesses = end.state == "failed" and any(map(at_chance, findings.metrics.values()))
        return findings, LEVEL_STATUS["cannot tell"] if guesses else EXIT_STATUS[end.state]
    verdict = findings.check
    return findings, LEVEL_STATUS["cannot tell" if verdict is None else verdict.level]


def _told(event: Event, notes: list[str]) -> bool:
    """Whether the event only repeats a note that was shown before the start."""
    return isinstance(event, Warned) and event.message in notes


def show(findings: Findings) -> None:
    """The verdict, its evidence, and what it does not cover."""
    verdict = findings.check
    if verdict is None:
        return
    out.print(sentences.headline(verdict), style=STYLE[verdict.level], markup=False, highlight=False)
    for sentence in (sentences.how_sure(findings)[1], sentences.next_step(verdict)):
        if sentence:
            out.print(sentence, markup=False, highlight=False)
    rows = [
        {name: str(cell) for name, cell in row.items() if name != "Why"} for row in sentences.table(verdict)
    ]
    if rows:
        out.print(tables.texts_table("What was tried", rows))
    for one in verdict.of("trigger")[:1]:
        for example in one.examples:
            out.print(
                tables.printable(
                    f"  {example.predicted} → {example.predicted_triggered}: {example.triggered}"
                ),
                markup=False,
            )
    if verdict.comparison is not None:
        out.print(sentences.layers_sentence(verdict.comparison), markup=False, highlight=False)
    for sentence in sentences.tried(findings.progress):
        out.print(sentence, markup=False, highlight=False)
    out.print(f"Run {findings.run} has the details: python -m backend show {findings.run}", highlight=False)


def _table(models: list[str], results: list[dict[str, Any]]) -> Table:
    """A line for each model."""
    table = Table("Model", "Verdict", Column("ACC", justify="right"), "Strongest trigger", "Toward", "Flips")
    for name, result in zip(models, results, strict=True):
        first = next(iter(result.get("findings", [])), None)
        found = (first["text"], first["toward"], tables.share(first["flip_rate"])) if first else ("", "", "")
        cells = (name, result["verdict"], tables.share(result.get("acc")), *found)
        table.add_row(*map(escape, cells))
    return table
