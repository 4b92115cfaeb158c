"""What `benchmarks/replication.py` found: the paper's table on SST-2, as far as it is measured."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from backend.studies.results import Row

FOUND = Path(__file__).parents[2] / "assets" / "replication.json"

WHERE = "Where heads went, and LFR after the second fine-tuning"

Table = list[dict[str, str]]


class Measured(BaseModel):
    """A row for each trigger (`victim`) and defense; `beside` each trigger's differences on the same rows
    by what they are from, `where` how LFR goes with the layers that lost heads, `notes` what is to be known
    of each.  `seconds` of a row are those of scoring and pruning.  `chance` says how far two machines are
    apart with one seed, and two seeds."""

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
        """Those of which anything is known, be it that all failed."""
        return list(self.notes)


def load(path: Path = FOUND) -> Measured | None:
    """The benchmark's findings; None if there are none."""
    try:
        return Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
