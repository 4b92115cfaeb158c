"""The control: as many heads of each layer as a strategy took, drawn at random."""

import numpy as np
import pytest

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.events import Head
from backend.strategies import COMPONENTS, score
from backend.strategies.nested import Part
from tests.strategies.given import given
from tests.strategies.test_published import make

HALVES = "layer-variance {first_share: 0.5, last_share: 0.5}"


def test_as_many_random_heads_go_from_each_layer_as_the_strategy_took() -> None:
    defender = make(threshold=0.0)
    found = score(defender, Choice(name="as-many-random", params={"strategy": "layer-variance"}))
    taken = score(defender, Choice(name="layer-variance")).order
    counts = [sum(layer == head[0] for head in taken) for layer in range(defender.shape[0])]
    assert [sum(layer == head[0] for head in found.order) for layer in range(defender.shape[0])] == counts
    assert len(set(found.order)) == len(found.order) and found.guardrail == "none"
    with pytest.raises(UserError, match="no strategy 'none' to imitate"):
        COMPONENTS["as-many-random"].parse({"strategy": "none"})


CHANCE = "ensemble {alpha: 1, draws: 1}"


def drawn(strategy: str, seed: int) -> tuple[set[Head], set[Head]]:
    """The heads that `strategy` takes, of which six may go, and those of its control."""
    defender = given(accuracy=lambda pruned, stop_below=None: 1 - pruned.sum() / 12, seed=seed)
    *_, last = defender.steps(score(defender, Part.model_validate(strategy)))
    control = score(defender, Choice(name="as-many-random", params={"strategy": strategy}))
    return set(map(tuple, np.argwhere(last.pruned).tolist())), set(control.order)


@pytest.mark.parametrize("strategy", [HALVES, CHANCE, "random", "by-layer"])
def test_as_many_random_heads_are_not_the_strategy_s_own(strategy: str) -> None:
    pairs = [drawn(strategy, seed) for seed in range(20)]
    assert all(len(taken) == len(control) == 6 for taken, control in pairs)
    assert sum(taken != control for taken, control in pairs) > 10


def test_as_many_random_heads_are_any_of_their_layer_whatever_goes_elsewhere() -> None:
    controls = [drawn(HALVES, seed)[1] for seed in range(100)]
    times = {head: sum(head in control for control in controls) for head in np.ndindex(3, 4)}
    assert all(30 < number < 70 for number in times.values()), "two of four heads: every other time"
    places = [[{head for at, head in control if at == layer} for layer in range(3)] for control in controls]
    alike = sum(one == another for one, another, _ in places)
    assert alike < 40, "two layers lose the same heads by chance alone, one time in six"


def test_as_many_random_heads_go_as_the_guardrail_let_the_strategy_take() -> None:
    defender = given(accuracy=lambda pruned, stop_below=None: 1 - pruned.sum() / 10, threshold=0.65)
    assert len(score(defender, Choice(name="as-many-random", params={"strategy": "gradient"})).order) == 3
