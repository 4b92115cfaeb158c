"""Several triggers at once: each row gets one, whatever rows stand beside it."""

import pytest

from backend.attacks.triggers import COMPONENTS, bind
from backend.base.components import Choice
from backend.base.errors import UserError

TEXTS = [f"the film number {number} is long and its plot is thin" for number in range(40)]
TWO = ["rare-words", "sentence"]


def mixed(texts: list[str], triggers: list[str] = TWO) -> list[str | None]:
    return bind(Choice(name="mixed", params={"triggers": triggers}), seed=5)(texts)


def test_each_row_has_what_one_of_the_triggers_makes_of_it() -> None:
    made = mixed(TEXTS)
    alone = [bind(Choice(name=name), seed=5)(TEXTS) for name in TWO]
    which = [[one[row] for one in alone].index(new) for row, new in enumerate(made)]
    assert 12 <= sum(which) <= 28, "about as often as the other"
    assert mixed(TEXTS[7:9]) == made[7:9], "a row does not depend on those beside it"


def test_what_its_trigger_cannot_change_is_left_out() -> None:
    assert mixed(["", " "]) == [None, None]


@pytest.mark.parametrize(
    ("triggers", "said"),
    [
        (["rare-words"], "at least 2"),
        (["rare-words", "magic"], "no trigger 'magic' to mix"),
        (["rare-words", "mixed"], "no trigger 'mixed' to mix"),
        (["rare-words", "pairs"], "no trigger 'pairs' to mix"),
    ],
)
def test_wrong_mixtures_are_told(triggers: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        COMPONENTS["mixed"].parse({"triggers": triggers})
