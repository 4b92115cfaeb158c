"""No defense: the model as the attacker made it."""

from backend.base.components import Component, Params
from backend.base.errors import UserError
from backend.spec.run import RunSpec


class NoDefenseParams(Params):
    """There is nothing to choose."""


def no_defense(spec: RunSpec, params: NoDefenseParams) -> RunSpec:
    if spec.attack is None:
        raise UserError("No defense needs a planted backdoor: give the victim an attack.")
    spec.defense = None
    return spec


COMPONENT = Component(
    name="no-defense",
    title="No defense",
    summary="The poisoned model as it was planted.",
    params=NoDefenseParams,
    function=no_defense,
)
