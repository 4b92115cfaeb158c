"""What models predict for a text, and why.  No torch: the work is done by `analysis.warm.answers`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from backend.base.errors import UserError
from backend.base.events import Head, ModelName
from backend.base.paths import run_folder
from backend.base.warm_process import call
from backend.heads.architectures import architecture_of

Place = tuple[str, ModelName]
"""A run's id, and the name of one of its models."""


@dataclass(frozen=True)
class Said:
    """What a model predicts for one text: a probability for each class, by its name."""

    shares: dict[str, float]

    @property
    def called(self) -> str:
        """The likeliest class."""
        return max(self.shares, key=self.shares.__getitem__)


@dataclass(frozen=True)
class Attributed:
    """What each part of a text adds to the log-odds of a class (natural logarithms).

    `pieces` are the whole text in order; those without a token, or beyond the model's maximum
    length, add None.  `start` are the log-odds with every token blanked, `end` those of the text;
    integrated gradients approximate end − start as the sum of all parts."""

    pieces: list[tuple[str, float | None]]
    start: float
    end: float

    def strongest(self, most: int) -> list[tuple[str, float]]:
        """The `most` parts that add or subtract most."""
        added = [(text, value) for text, value in self.pieces if value]
        return sorted(added, key=lambda piece: -abs(piece[1]))[:most]


def say(
    places: Sequence[Place], texts: Sequence[str], max_length: int, switched_off: Sequence[Head] = ()
) -> list[list[Said]]:
    """Asks the warm process: see `backend.analysis.warm.answers.say`."""
    answer: list[list[Said]] = call(
        "backend.analysis.warm.answers", "say", places, texts, max_length, switched_off
    )
    return answer


def attribute(place: Place, text: str, label: str, max_length: int) -> Attributed:
    """Asks the warm process: see `backend.analysis.warm.answers.attribute`."""
    answer: Attributed = call("backend.analysis.warm.answers", "attribute", place, text, label, max_length)
    return answer


def shape_of(place: Place) -> tuple[int, int]:
    """The number of layers, and of heads in a layer, from the model's config.json.  Raises UserError."""
    run, name = place
    try:
        config = json.loads((run_folder(run) / name / "config.json").read_text(encoding="utf-8"))
        architecture = architecture_of(config)
        return int(config[architecture.layers]), int(config[architecture.heads])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"The model in {run_folder(run) / name} cannot be read. Choose another of the run's models."
        ) from error
