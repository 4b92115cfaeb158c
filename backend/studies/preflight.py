"""Checks before a study starts, once for each victim."""

from collections.abc import Sequence

from backend.base.errors import UserError
from backend.base.numbers import count
from backend.engine.preflight import Rewrite, check, room_short, weight_bytes
from backend.spec.run import RunSpec
from backend.studies.spec import Cell

OWN = 2  # models that each run keeps: pruned, and fine-tuned again
SHARED = 2  # models that runs of one victim and seed share: poisoned and fine-tuned


def check_cells(wanted: Sequence[Cell], rewrite: Rewrite | None = None) -> list[str]:
    """Warnings about the cells' victims; raises UserError, naming each victim that cannot work and why.

    Model, data and trigger of a victim's cells are the same, so for each kind of τ only the cell with the
    largest prune step is checked, and the trigger is tried once."""
    warnings, problems = [], []
    for victim in dict.fromkeys(cell.victim for cell in wanted):
        largest: dict[str, RunSpec] = {}
        for spec in sorted((cell.spec for cell in wanted if cell.victim == victim), key=_step):
            largest[spec.setting("threshold_kind", "")] = spec
        try:
            for number, spec in enumerate(largest.values()):
                warnings += check(spec, None if number else rewrite)
        except UserError as error:
            problems.append(f"Victim {victim!r}: {error}")
    if problems:
        raise UserError("\n".join(problems))
    return list(dict.fromkeys(warnings + _room(wanted)))


def _room(wanted: Sequence[Cell]) -> list[str]:
    """A warning where the disk may not hold the models that the cells' runs keep."""
    shared = {(cell.victim, cell.seed): cell.spec.model for cell in wanted}.values()
    sizes = [OWN * weight_bytes(cell.spec.model) for cell in wanted]
    sizes += [SHARED * weight_bytes(model) for model in shared]
    short = room_short(f"the models that {count(len(wanted), 'run')} keep need", sum(sizes))
    remedy = "Delete old studies with their runs, set EXCISE_HOME elsewhere, or make the grid smaller."
    return [f"{short} {remedy}"] if short else []


def _step(spec: RunSpec) -> int:
    return int(spec.setting("prune_step", 0))
