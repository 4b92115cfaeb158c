"""Which heads go first: one file per strategy, each a `COMPONENT`.

A strategy is `function(defender, params=…) -> HeadOrder`.  It sees the model and clean
data through `backend.defender.Defender` and nothing of any trigger."""

from backend.components import collect

COMPONENTS = collect("backend.strategies")
