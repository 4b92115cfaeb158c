"""Specifications as earlier versions of Excise wrote them, read as what they mean now.

A defense was one mapping of settings: a strategy, its guardrail and two fine-tunings.  Now it is a choice
of a name with parameters.  Settings that stand beside the name are laid over its parameters; `--set
defense.prune_step=2` sets one of them."""

from typing import Any

CHOICE = {"name", "variant", "params"}
OLD_DEFENSE = {
    *("strategy", "train_rows", "threshold_kind", "accuracy_threshold", "prune_step", "entropy", "fine_tune"),
    *("refine", "refine_from", "regulariser", "regulariser_weight", "onion", "curve_rows"),
}
FINE_TUNING = {"train_rows", "fine_tune"}
OF_MEFT = {"epochs", "learning_rate"}
TRAINING = {"epochs": 3, "learning_rate": 2e-5, "batch_size": 32, "max_grad_norm": 1.0}
"""What a fine-tuning of which nothing is said meant."""
SECOND = FINE_TUNING | {"refine", "refine_from", "regulariser", "regulariser_weight"}


def defense_of(given: Any) -> Any:
    """A defense as it is written now.  What is of no known form stays as it is, for its checks to refuse."""
    if not isinstance(given, dict):
        return given
    if "name" in given:
        beside = {name: value for name, value in given.items() if name not in CHOICE}
        params = given.get("params")
        if not beside or not isinstance(params or {}, dict):
            return given
        kept = {name: value for name, value in given.items() if name in CHOICE}
        return kept | {"params": merged(params or {}, beside)}
    if given and OLD_DEFENSE.isdisjoint(given):
        return given
    return _without_pruning(given) or {"name": "head-pruning", "params": given}


def place_of(way: list[str], settings: dict[str, Any]) -> list[str]:
    """Where the setting lies in a dumped specification that was once at `way`: of a defense, a parameter."""
    defense = settings.get("defense")
    if way[0] != "defense" or len(way) < 2 or way[1] in CHOICE or not isinstance(defense, dict):
        return way
    return ["defense", "params", *way[1:]] if "name" in defense else way


def baseline_of(named: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A baseline of a study with the settings that all its defenses share.  The second fine-tuning alone kept
    what these maximise and filter, which only head pruning has beside it now."""
    beside = [shared.get("entropy"), shared.get("onion")]
    if named["name"] != "second-fine-tuning" or beside == [None, None]:
        return named
    whole = merged(shared, named["params"])
    refine = whole.get("refine", {})
    both = {"strategy": {"name": "none"}, "refine": whole.get("fine_tune", {}) if refine is None else refine}
    return {"name": "head-pruning", "params": named["params"] | both}


def _without_pruning(given: dict[str, Any]) -> dict[str, Any] | None:
    """The baseline that says the same, if there is one: with no pruning, and nothing else left out."""
    strategy, refine = given.get("strategy"), given.get("refine", {})
    entropy, onion, tuning = given.get("entropy"), given.get("onion"), given.get("fine_tune", {})
    if not isinstance(strategy, dict) or strategy.get("name") != "none" or not OLD_DEFENSE.issuperset(given):
        return None
    tuned = _only(FINE_TUNING, given)
    match refine, entropy, onion:
        case _, None, None if refine is not None:
            return {"name": "second-fine-tuning", "params": _only(SECOND, given)}
        case None, None, None:
            return {"name": "ft", "params": tuned}
        case None, None, dict():
            return {"name": "onion", "params": tuned | onion}
        case None, dict(), None if isinstance(tuning, dict):
            maximising = TRAINING | entropy
            shared = TRAINING | tuning | _only(OF_MEFT, maximising)
            if maximising == shared:
                return {"name": "meft", "params": tuned | _only(OF_MEFT, maximising)}
    return None


def _only(names: set[str], settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in settings if name in names}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mappings inside mappings too."""
    result = dict(below)
    for name, value in above.items():
        under = result.get(name)
        both = isinstance(value, dict) and isinstance(under, dict)
        result[name] = merged(under or {}, value) if both else value
    return result
