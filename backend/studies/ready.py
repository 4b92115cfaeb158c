"""What is said before a study starts: everything that can be known by then, once for each victim."""

from collections.abc import Sequence

from backend.errors import UserError
from backend.preflight import Rewrite, check
from backend.spec import RunSpec
from backend.studies.spec import Cell


def check_cells(wanted: Sequence[Cell], rewrite: Rewrite | None = None) -> list[str]:
    """Warnings about the cells' victims; raises UserError, naming each victim that cannot work and why.

    Model, data and trigger of a victim's cells are the same: of those whose τ is of one kind, the one that
    prunes most heads at a time stands for all, and the trigger is tried once."""
    warnings, problems = [], []
    for victim in dict.fromkeys(cell.victim for cell in wanted):
        largest: dict[str, RunSpec] = {}
        for spec in sorted((cell.spec for cell in wanted if cell.victim == victim), key=_step):
            largest[spec.defense.threshold_kind if spec.defense else ""] = spec
        try:
            for number, spec in enumerate(largest.values()):
                warnings += check(spec, None if number else rewrite)
        except UserError as error:
            problems.append(f"Victim {victim!r}: {error}")
    if problems:
        raise UserError("\n".join(problems))
    return list(dict.fromkeys(warnings))


def _step(spec: RunSpec) -> int:
    return spec.defense.prune_step if spec.defense else 0
