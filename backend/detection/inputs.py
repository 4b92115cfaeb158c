"""What the steps of a check see beside the inputs of other steps."""

from dataclasses import dataclass

from backend.data.rows import Rows
from backend.spec.run import ModelSpec
from backend.training.inputs import Inputs


@dataclass(frozen=True)
class GivenTrigger:
    """Test rows with the trigger that the user gave: what it is called, and its target class."""

    title: str
    rewrites: bool
    rows: Rows
    target_class: int


@dataclass(frozen=True)
class CheckInputs(Inputs):
    """A check changes no model, so it may see the test rows, and the trigger where one is given.

    A clean model, made from `base`, learns the `known_rows`, and triggers are tried on the `fresh_rows`;
    `max_length` is the number of tokens that they are cut to."""

    base: ModelSpec

    known_rows: Rows
    fresh_rows: Rows
    max_length: int
    given: GivenTrigger | None
