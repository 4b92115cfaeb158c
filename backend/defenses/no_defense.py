"""No defense: the model as the attacker made it."""

from backend.base.steps import Defense, DefenseParams, Steps


class NoDefenseParams(DefenseParams):
    """There is nothing to choose."""


def no_defense(params: NoDefenseParams) -> Steps:
    yield from ()


COMPONENT = Defense(
    name="no-defense",
    title="No defense",
    summary="The poisoned model as it was planted.",
    params=NoDefenseParams,
    function=no_defense,
    needs_attack=True,
)
