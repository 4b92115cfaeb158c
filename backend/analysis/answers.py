"""What models say to a text, and why.  No torch: the models' work is done by `answers`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from backend.base.errors import UserError
from backend.base.events import Head, ModelName
from backend.base.paths import run_folder
from backend.base.warm_process import call
from backend.heads.architectures import architecture_of

Place = tuple[str, ModelName]
"""A run, and the model of it."""


@dataclass(frozen=True)
class Said:
    """What a model says to one text: a probability for each class, by its name."""

    shares: dict[str, float]

    @property
    def called(self) -> str:
        """The likeliest class."""
        return max(self.shares, key=self.shares.__getitem__)


@dataclass(frozen=True)
class Attributed:
    """What each part of a text adds to the log-odds of a class (natural logarithms).

    `pieces` are the whole text in order; those that no token stands for, or that lie beyond the model's
    maximum length, add None.  `start` are the log-odds with every token blanked, `end` those of the text;
    integrated gradients approximate end − start as the sum of all parts."""

    pieces: list[tuple[str, float | None]]
    start: float
    end: float

    def strongest(self, most: int) -> list[tuple[str, float]]:
        """The parts that add or take away most."""
        known = [(text, value) for text, value in self.pieces if value]
        return sorted(known, key=lambda piece: -abs(piece[1]))[:most]


def say(
    places: Sequence[Place], texts: Sequence[str], max_length: int, silent: Sequence[Head] = ()
) -> list[list[Said]]:
    """A question for the warm process: see `backend.analysis.warm.answers.say`."""
    answer: list[list[Said]] = call("backend.analysis.warm.answers", "say", places, texts, max_length, silent)
    return answer


def attribute(place: Place, text: str, label: str, max_length: int) -> Attributed:
    """A question for the warm process: see `backend.analysis.warm.answers.attribute`."""
    answer: Attributed = call("backend.analysis.warm.answers", "attribute", place, text, label, max_length)
    return answer


def shape_of(place: Place) -> tuple[int, int]:
    """Layers and heads of a run's model, by its config.json.  Raises UserError."""
    run, name = place
    try:
        config = json.loads((run_folder(run) / name / "config.json").read_text(encoding="utf-8"))
        where = architecture_of(config)
        return int(config[where.layers]), int(config[where.heads])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"The model in {run_folder(run) / name} cannot be read. Choose another of the run's models."
        ) from error
