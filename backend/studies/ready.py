"""What is said before a study starts: everything that can be known by then, once for each victim."""

from collections.abc import Sequence

from backend.errors import UserError
from backend.preflight import Rewrite, check
from backend.studies.spec import Cell


def check_cells(wanted: Sequence[Cell], rewrite: Rewrite | None = None) -> list[str]:
    """Warnings about the cells' victims; raises UserError, naming each victim that cannot work and why.

    Of the cells of one victim the one that prunes most heads at a time stands for all, since model, data
    and trigger are the same."""
    warnings, problems = [], []
    for victim in dict.fromkeys(cell.victim for cell in wanted):
        specs = [cell.spec for cell in wanted if cell.victim == victim]
        spec = max(specs, key=lambda one: one.defense.prune_step if one.defense else 0)
        try:
            warnings += check(spec, rewrite)
        except UserError as error:
            problems.append(f"Victim {victim!r}: {error}")
    if problems:
        raise UserError("\n".join(problems))
    return list(dict.fromkeys(warnings))
