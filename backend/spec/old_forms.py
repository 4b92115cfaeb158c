"""Specifications of earlier versions of Excise, translated to the present form.

A defense was one mapping of settings: a strategy, its guardrail and two fine-tunings.  Now it is a choice
of a name with parameters.  Settings beside the name override its parameters, so that `--set
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
"""The default settings of a fine-tuning in the old form."""
SECOND = FINE_TUNING | {"refine", "refine_from", "regulariser", "regulariser_weight"}


def defense_of(written: Any) -> Any:
    """A defense in the present form.  Anything of an unknown form is returned unchanged, for validation to
    refuse."""
    if not isinstance(written, dict):
        return written
    if "name" in written:
        overrides = {name: value for name, value in written.items() if name not in CHOICE}
        params = written.get("params")
        if not overrides or not isinstance(params or {}, dict):
            return written
        choice = {name: value for name, value in written.items() if name in CHOICE}
        return choice | {"params": merged(params or {}, overrides)}
    if written and OLD_DEFENSE.isdisjoint(written):
        return written
    return _without_pruning(written) or {"name": "head-pruning", "params": written}


def place_of(path: list[str], settings: dict[str, Any]) -> list[str]:
    """The path, in a dumped specification, of the setting that was once at `path`: a defense's parameter."""
    defense = settings.get("defense")
    if path[0] != "defense" or len(path) < 2 or path[1] in CHOICE or not isinstance(defense, dict):
        return path
    return ["defense", "params", *path[1:]] if "name" in defense else path


def baseline_of(baseline: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A study's baseline with the settings that all its defenses share.  In the old form the second
    fine-tuning alone also had the shared MEFT and ONION settings, which only head pruning has now."""
    added = [shared.get("entropy"), shared.get("onion")]
    if baseline["name"] != "second-fine-tuning" or added == [None, None]:
        return baseline
    settings = merged(shared, baseline["params"])
    refine = settings.get("refine", {})
    changed = {
        "strategy": {"name": "none"},
        "refine": settings.get("fine_tune", {}) if refine is None else refine,
    }
    return {"name": "head-pruning", "params": baseline["params"] | changed}


def _without_pruning(settings: dict[str, Any]) -> dict[str, Any] | None:
    """The equivalent baseline, if there is one: no pruning, and no other setting lost."""
    strategy, refine = settings.get("strategy"), settings.get("refine", {})
    entropy, onion, tuning = settings.get("entropy"), settings.get("onion"), settings.get("fine_tune", {})
    if (
        not isinstance(strategy, dict)
        or strategy.get("name") != "none"
        or not OLD_DEFENSE.issuperset(settings)
    ):
        return None
    fine_tuning = _only(FINE_TUNING, settings)
    match refine, entropy, onion:
        case _, None, None if refine is not None:
            return {"name": "second-fine-tuning", "params": _only(SECOND, settings)}
        case None, None, None:
            return {"name": "ft", "params": fine_tuning}
        case None, None, dict():
            return {"name": "onion", "params": fine_tuning | onion}
        case None, dict(), None if isinstance(tuning, dict):
            entropy_training = TRAINING | entropy
            plain_training = TRAINING | tuning | _only(OF_MEFT, entropy_training)
            if entropy_training == plain_training:
                return {"name": "meft", "params": fine_tuning | _only(OF_MEFT, entropy_training)}
    return None


def _only(names: set[str], settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in settings if name in names}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mappings inside mappings too."""
    result = dict(below)
    for name, value in above.items():
        lower = result.get(name)
        both = isinstance(value, dict) and isinstance(lower, dict)
        result[name] = merged(lower or {}, value) if both else value
    return result
