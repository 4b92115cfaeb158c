"""The plan of the replication: its grid, which cells have one seed, and the files of results."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from backend.base.errors import UserError
from backend.base.steps import Step
from backend.base.steps import planned as planned_steps
from backend.defenses import steps_of
from backend.models.classifier_head import settled_head
from backend.spec.parse import parse
from backend.spec.run import RunSpec
from backend.studies.built_in import BASELINES, CONTROLS, HYBRIDS, PUBLISHED, STRATEGIES, victim
from backend.studies.spec import Cell, StudySpec, cells
from benchmarks import results
from benchmarks.common import SHARED, sst2_files, sst2_pairs

Found = dict[str, Any]
"""The stored results of one cell."""

CELLS = "replication.jsonl"
AGAIN = "replication_again.jsonl"
"""Files of results: those of the table, and some of the same runs on another machine."""
PLACE = ("victim", "defense", "seed")
"""The fields that identify a cell, and the order of rows."""
SEEDS = [11, 12, 13]
TRAINING = {"epochs": 3, "learning_rate": 5e-5}
AFTER = {"epochs": 2, "learning_rate": 5e-5}
CONTROL = "Second fine-tuning alone"
ONE_SEED = {*PUBLISHED, *HYBRIDS, "MEFT", "ONION"} - {
    "Gradient (published)",
    "Bayesian (published)",  # has the order of PURE and shares its second fine-tuning
    "Gradient + RL",
}
"""Defenses whose second fine-tuning has one seed."""
ONLY_ONCE = {"MEFT", "ONION"}
"""Defenses that have no result without it."""
BY_LAYER = {name for name, settings in CONTROLS.items() if settings.get("strategy") == "by-layer"}

RATE = f"{TRAINING['learning_rate']:g}"
SETTINGS = f"""\
MiniLM-L6 (6 × 12 heads) and SST-2 (6,920 training, 872 validation, 1,821 test rows, 907 to 912 of them
triggered). Planting {TRAINING["epochs"]} epochs, both fine-tunings {AFTER["epochs"]}, all at {RATE}; the
second starts from the downloaded (poisoned) encoder, with attention normalisation. τ = 97 % of the
fine-tuned model's validation accuracy, s = 4. Poisoned: half of the negatives with rare words, 30 % with
syntax, 20 % with the Bible."""


def study(seeds: list[int]) -> StudySpec:
    def rows(folder: str, rate: float) -> dict[str, Any]:
        return victim("pairs", rate, **sst2_pairs(folder))

    return StudySpec.model_validate(
        {
            "name": "replication",
            "base": {
                "data": {"source": "files", **sst2_files()},
                "attack": {"training": TRAINING},
                "defense": {
                    "accuracy_threshold": 0.97,
                    "prune_step": 4,
                    "curve_rows": 16,  # the curve is not in the table
                    "fine_tune": AFTER,
                    "refine": AFTER,
                },
            },
            "victims": {
                "Rare words": victim("rare-words", 0.5),
                "Syntactic rows (SCPN)": rows("syntactic", 0.3),
                "Bible rows (STRAP)": rows("style-bible", 0.2),
                "Syntactic, built in": victim("syntactic", 0.3),
                "Bible, built in": victim("style", 0.2, style="bible"),
            },
            "defenses": BASELINES | CONTROLS | STRATEGIES | PUBLISHED | HYBRIDS,
            "seeds": seeds,
        }
    )


def seeds_of(defense: str) -> int:
    """How many seeds are planned, with or without the second fine-tuning."""
    return 1 if defense in ONLY_ONCE else len(SEEDS)


def planned(grid: list[Cell]) -> Iterator[Cell]:
    """The cells to carry out, one seed of everything first; cells that share a poisoning are adjacent."""
    for cell in sorted(grid, key=lambda cell: cell.seed):
        if cell.defense in ONE_SEED and cell.seed != SEEDS[0] and cell.spec.defense is not None:
            if cell.defense in ONLY_ONCE:
                continue
            cell.spec.defense.params["refine"] = None
        yield cell


def wanted(grid: list[Cell], file: str = CELLS) -> Iterator[Cell]:
    """Planned cells that are not done when their turn comes: another process may have done them meanwhile."""
    before = results.read(results.RESULTS / file)
    for cell in planned(grid):
        if not (_is_done(cell, before) or _is_done(cell, results.read(results.RESULTS / file))):
            yield cell


def _is_done(cell: Cell, stored: list[Found]) -> bool:
    """False also for a cell that failed, or was made with other settings."""
    own = [row for row in stored if place_of(row) == cell.place]
    return any(row["state"] == "done" and asks_the_same(row["spec"], settings_of(cell)) for row in own)


def keep(row: Found, file: str = CELLS) -> None:
    """Write the results of one cell, in place of earlier ones."""
    results.keep(results.RESULTS / file, row, PLACE)


def settings_of(cell: Cell) -> dict[str, Any]:
    """The run's specification, the same wherever the published rows lie."""
    text = cell.spec.model_dump_json().replace(str(SHARED), "SHARED")
    settings: dict[str, Any] = json.loads(text)
    return settings


def asks_the_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two specifications ask for the same run, also if one has the older form of a defense."""
    try:
        return one == other or _asked(parse(one)) == _asked(parse(other))
    except UserError:  # it asks for something that no longer exists
        return False


def _asked(spec: RunSpec) -> tuple[Any, ...]:
    # In the steps τ is one number, absolute or relative, so its kind is compared too.
    run = spec.model_copy(update={"model": settled_head(spec.model), "defense": None})
    return run, steps(spec), spec.setting("threshold_kind")


def steps(spec: RunSpec) -> list[Step]:
    """The steps of a run's defense."""
    return planned_steps(steps_of(spec.defense)) if spec.defense is not None else []


def found_cells(file: str = CELLS) -> list[Found]:
    """The stored cells that are planned and were made with the present settings."""
    settings = {cell.place: settings_of(cell) for cell in planned(cells(study(SEEDS)))}
    stored = results.read(results.RESULTS / file)
    return [
        row for row in stored if (spec := settings.get(place_of(row))) and asks_the_same(row["spec"], spec)
    ]


def place_of(cell: Found) -> tuple[str, str, int]:
    """Victim, defense and seed."""
    return cell["victim"], cell["defense"], cell["seed"]


def last(cell: Found) -> str:
    """The name of the run's last model."""
    return "defended" if "defended" in cell["metrics"] else "poisoned"


def heads_of(cell: Found) -> str:
    """The same text for runs that pruned the same heads, which share a second fine-tuning."""
    return str(sorted(cell["pruned_heads"]))


def machines_of(cells: Iterable[Found]) -> str:
    return "; ".join(sorted({cell["machine"] for cell in cells}))


def seeds_text(seeds: Iterable[int]) -> str:
    """As in "seeds 11, 12"."""
    different = sorted(set(seeds))
    return f"seed{'s' if len(different) > 1 else ''} {', '.join(map(str, different))}"


def is_whole(cell: Found) -> bool:
    """Whether the run has its complete defense: not if the second fine-tuning was left out."""
    return cell["defense"] not in ONE_SEED or cell["seed"] == SEEDS[0]
