"""The results of `benchmarks/replication.py`: the paper's table on SST-2, as far as it is measured."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from backend.studies.results import Row

FOUND = Path(__file__).parents[2] / "assets" / "replication.json"

WHERE = "Pruned heads by layer, and LFR after the second fine-tuning"

Table = list[dict[str, str]]


class Measured(BaseModel):
    """A row for each trigger (`victim`) and defense.  By trigger: `beside` has differences on the same rows,
    by what is compared, `where` the correlation of LFR with the layers that lost heads, `notes` remarks.
    `seconds` of a row are those of scoring and pruning.  `chance` says how much two machines with one seed
    differ, and two seeds."""

    settings: str
    machine: str
    done: int
    cells: int
    rows: list[Row]
    beside: dict[str, dict[str, Table]]
    where: dict[str, Table]
    notes: dict[str, list[str]]
    chance: str = ""

    @property
    def victims(self) -> list[str]:
        """Those with any results, even if all their runs failed."""
        return list(self.notes)


def load(path: Path = FOUND) -> Measured | None:
    """The benchmark's results; None if there are none."""
    try:
        return Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
