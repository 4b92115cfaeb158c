"""Each defense: its steps, what they are set to, and what it says of itself."""

import json
import subprocess
import sys
from typing import Any

import pytest

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.steps import VICTIM, DefenseParams, Stage, Step, Steps, TextFilter, planned
from backend.cli.main import main
from backend.defenses import COMPONENTS, params_of, steps_of
from backend.defenses.fine_tuning import fine_tune, hand_over
from backend.defenses.head_pruning import prune, score
from backend.defenses.meft import maximise_entropy_then_fine_tune
from backend.defenses.onion import OnionSettings, without_surprises
from backend.defenses.second_fine_tuning import refine
from backend.spec.parse import parse
from backend.spec.presets import head_pruning, preset
from backend.spec.run import RunSpec, TrainingSpec
from backend.training.regularisers import Regulariser

FIRST = TrainingSpec(epochs=2, learning_rate=1e-4, batch_size=8, max_grad_norm=0.5)
SECOND = TrainingSpec(epochs=5, learning_rate=4e-5, batch_size=64, max_grad_norm=2.0)
SEARCH = {"threshold_kind": "absolute", "accuracy_threshold": 0.8, "prune_step": 7, "curve_rows": 50}
VARIANCE = Choice(name="variance")
PLAIN, NORMALISED = "none", "attention-normalisation"


def steps(name: str, **params: Any) -> list[Step]:
    """In which the first fine-tuning is FIRST, on 200 rows."""
    given = {"train_rows": 200, "fine_tune": FIRST} if name != "no-defense" else {}
    return planned(steps_of(Choice(name=name, params=given | params)))


def done(name: str, **params: Any) -> list[tuple[Any, ...]]:
    """The work of each step with its settings."""
    return [(step.work, *step.settings) for step in steps(name, **params)]


def high(rate: float) -> TrainingSpec:
    return FIRST.model_copy(update={"learning_rate": rate})


def maximising(epochs: float, rate: float) -> TrainingSpec:
    return FIRST.model_copy(update={"epochs": epochs, "learning_rate": rate})


TUNED = (fine_tune, 200, FIRST, None)
LEFT = (hand_over, "fine_tuned")


def test_fine_tuning_is_one_fine_tuning_on_clean_rows() -> None:
    assert done("ft") == [TUNED, LEFT]
    assert done("ft", train_rows=None)[0] == (fine_tune, None, FIRST, None)


def test_fth_is_the_same_at_its_own_learning_rate() -> None:
    assert done("fth") == [(fine_tune, 200, high(3e-4), None), LEFT]
    assert done("fth", learning_rate=0.01) == [(fine_tune, 200, high(0.01), None), LEFT]


def test_meft_maximises_entropy_first() -> None:
    work = maximise_entropy_then_fine_tune
    assert done("meft") == [(work, 200, maximising(1, 2e-5), FIRST, None), LEFT]
    set_otherwise = done("meft", epochs=2, learning_rate=1e-3)
    assert set_otherwise == [(work, 200, maximising(2, 1e-3), FIRST, None), LEFT]


def test_onion_is_fine_tuning_and_a_filter_on_texts() -> None:
    assert done("onion") == [TUNED, LEFT]
    filters = [step.text_filter for step in steps("onion", share=0.3, rows=20)]
    assert filters == [None, TextFilter(without_surprises, OnionSettings(share=0.3, rows=20), 20)]
    assert params_of(Choice(name="onion")).reads_language_model
    assert not params_of(Choice(name="ft")).reads_language_model


@pytest.mark.parametrize(("given", "used"), [(SECOND, SECOND), (None, FIRST)], ids=["its own", "the first"])
def test_the_control_is_both_fine_tunings_and_no_head_pruned(
    given: TrainingSpec | None, used: TrainingSpec
) -> None:
    assert done("second-fine-tuning", refine=given) == [
        TUNED,
        (refine, [], 200, used, "downloaded", NORMALISED, 0.15),
        (hand_over, "refined"),
    ]
    set_otherwise = done(
        "second-fine-tuning", refine=given, refine_from="pruned", regulariser="l2", regulariser_weight=0.4
    )
    assert set_otherwise[1] == (refine, [], 200, used, "pruned", "l2", 0.4)


@pytest.mark.parametrize(("given", "used"), [(SECOND, SECOND), (None, FIRST)], ids=["its own", "the first"])
def test_pure_prunes_by_variance_and_normalises_attention(
    given: TrainingSpec | None, used: TrainingSpec
) -> None:
    assert done("pure", refine=given, weight=0.7, **SEARCH) == [
        TUNED,
        (score, VARIANCE, 200, 0.8, 7, False),
        (prune, 200, 0.8, 7, 50, False),
        (refine, [], 200, used, "downloaded", NORMALISED, 0.7),
        (hand_over, "refined"),
    ]
    assert done("pure")[3][-1] == 0.15
    assert params_of(Choice(name="pure")).strategies() == (VARIANCE,)


def test_the_reference_is_fine_tuning_of_a_model_that_nobody_poisoned() -> None:
    assert done("reference") == done("ft")
    demo = preset("demo")
    plain = demo.model_dump() | {"defense": {"name": "reference"}}
    made = parse(plain)
    assert made.attack is None and made.trigger == demo.trigger and made.data == demo.data
    with pytest.raises(UserError, match="needs a never-poisoned model; this one comes from run 1a2b"):
        parse(plain | {"model": {"source": "run", "name": "1a2b"}})


def test_no_defense_leaves_the_planted_backdoor() -> None:
    assert done("no-defense") == []
    demo = preset("demo")
    plain = demo.model_dump() | {"defense": {"name": "no-defense"}}
    made = parse(plain)
    assert made.defense is None and made.attack == demo.attack
    with pytest.raises(UserError, match="'no-defense' needs a victim with an attack"):
        parse(plain | {"attack": None})


CHOSEN = Choice(name="gradient", variant="published")


def test_head_pruning_prunes_by_its_strategy_and_is_fine_tuned_again() -> None:
    settings = {"strategy": CHOSEN, "refine": SECOND, "refine_from": "pruned"} | SEARCH
    assert done("head-pruning", regulariser="l2", regulariser_weight=0.4, **settings) == [
        TUNED,
        (score, CHOSEN, 200, 0.8, 7, False),
        (prune, 200, 0.8, 7, 50, False),
        (refine, [], 200, SECOND, "pruned", "l2", 0.4),
        (hand_over, "refined"),
    ]
    pruned_alone = done("head-pruning", strategy=CHOSEN, refine=None, **SEARCH)
    assert [work for work, *_ in pruned_alone] == [fine_tune, score, prune, hand_over]
    assert pruned_alone[-1] == (hand_over, "pruned")


def test_head_pruning_with_what_belongs_to_other_defenses() -> None:
    sparse = Choice(name="sparsification", params={"l1": 1e-3, "l2": 0.0})
    (_, _, _, penalty) = done("head-pruning", strategy=sparse)[0]
    assert isinstance(penalty, Regulariser) and penalty.l1 == 1e-3
    with_entropy = done("head-pruning", entropy=SECOND)[0]
    assert with_entropy == (maximise_entropy_then_fine_tune, 200, SECOND, FIRST, None)
    through = steps("head-pruning", onion=OnionSettings(share=0.2, rows=30))[-1].text_filter
    assert through == TextFilter(without_surprises, OnionSettings(share=0.2, rows=30), 30)


def test_the_guardrail_is_a_share_of_the_fine_tuned_models_accuracy_or_that_itself() -> None:
    def said(kind: str, val_acc: float) -> tuple[float, tuple[str, ...]]:
        params = {"threshold_kind": kind, "accuracy_threshold": 0.9}
        running = steps_of(Choice(name="head-pruning", params=params))
        next(running)
        scoring = running.send({"val_acc": val_acc})
        return scoring.settings[2], scoring.warnings

    assert said("relative", 0.8) == (pytest.approx(0.72), ())
    assert said("absolute", 0.95) == (0.9, ())
    threshold, (warning,) = said("absolute", 0.8)
    assert threshold == 0.9 and warning.startswith("τ = 0.900 lies above")


def test_the_heads_that_went_stay_out_of_the_second_fine_tuning() -> None:
    running = steps_of(head_pruning("random"))
    next(running)
    running.send({"val_acc": 0.9})
    running.send({})
    again = running.send({"pruned_heads": [[2, 1], [0, 3]]})
    assert again.settings[0] == [(0, 3), (2, 1)]


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_step_reads_what_an_earlier_one_left_and_tells_what_it_leaves(name: str) -> None:
    there = {VICTIM}
    for step in steps(name):
        assert there.issuperset(step.reads) and step.folder not in there
        assert step.stage.title and step.stage.explanation and bool(step.caption) == bool(step.model)
        there.add(step.folder)
    assert not (taken := steps(name)) or taken[-1].model == "defended"


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"no-defense"}))
def test_each_is_kept_with_all_its_parameters_and_leaves_the_rest_of_the_run(name: str) -> None:
    demo = preset("demo")
    made = parse(demo.model_dump() | {"defense": {"name": name}})
    assert made.defense is not None
    assert made.defense.params == COMPONENTS[name].params().model_dump(mode="json")
    assert parse(made.model_dump(mode="json")) == made
    defended = {"defense": None, "attack": None}
    assert made.model_copy(update=defended) == demo.model_copy(update=defended)
    assert (made.attack is None) == (name == "reference")


def old(**settings: Any) -> RunSpec:
    plain = preset("demo").model_dump(mode="json")
    training = {"train_rows": 200, "fine_tune": FIRST.model_dump()}
    return parse(plain | {"defense": {"strategy": {"name": "none"}, "refine": None} | training | settings})


@pytest.mark.parametrize(
    ("settings", "name", "params"),
    [
        ({}, "ft", {}),
        ({"fine_tune": high(3e-4).model_dump()}, "fth", {}),
        ({"entropy": maximising(1, 2e-5).model_dump()}, "meft", {}),
        ({"onion": {"share": 0.2, "rows": 30}}, "onion", {"share": 0.2, "rows": 30}),
        ({"refine": SECOND.model_dump()}, "second-fine-tuning", {"refine": SECOND}),
        (
            SEARCH
            | {
                "strategy": {"name": "variance"},
                "refine": SECOND.model_dump(),
                "refine_from": "downloaded",
                "regulariser": NORMALISED,
                "regulariser_weight": 0.7,
            },
            "pure",
            SEARCH | {"refine": SECOND, "weight": 0.7},
        ),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_defense_takes_the_steps_that_the_old_form_of_it_takes(
    settings: dict[str, Any], name: str, params: dict[str, Any]
) -> None:
    spec = old(**settings)
    assert spec.defense is not None
    assert planned(steps_of(spec.defense)) == steps(name, **params)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    with pytest.raises(SystemExit):
        main(["defenses", "--json"])
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_they_are_listed_with_the_strategies_that_are_controls(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    baselines = {"ft", "fth", "meft", "pure", "onion", "no-defense", "reference", "second-fine-tuning"}
    controls = {"random", "as-many-random", "by-layer", "none"}
    assert {name for name, one in found.items() if one["as"] == "strategy"} >= controls
    assert found.keys() - controls >= baselines | {"head-pruning"}
    assert found["head-pruning"]["parameters"]["properties"]["prune_step"]["default"] == 4
    assert all(one["title"] and one["summary"] for one in found.values())


class TwoParams(DefenseParams):
    pass


def two(params: TwoParams) -> Steps:
    first = yield Step(Stage("one", "One"), "one", fine_tune, expected={"known": 1})
    assert first["known"] == 1
    second = yield Step(Stage("two", "Two"), "two", fine_tune)
    yield Step(Stage("three", "Three"), second["found"], fine_tune)


def test_steps_are_planned_as_far_as_they_can_be_known() -> None:
    assert [step.folder for step in planned(two(TwoParams()))] == ["one", "two"]


def test_all_defenses_are_listed_and_planned_without_torch() -> None:
    code = (
        "import sys\n"
        "from backend.base.components import Choice\n"
        "from backend.base.steps import planned\n"
        "from backend.defenses import COMPONENTS, steps_of\n"
        "from backend.strategies import COMPONENTS as STRATEGIES\n"
        "found = [planned(steps_of(Choice(name=name))) for name in COMPONENTS]\n"
        "assert len(found) >= 9 and sum(map(len, found)) > 20, found\n"
        "for name in STRATEGIES:\n"
        "    planned(steps_of(Choice(name='head-pruning', params={'strategy': {'name': name}})))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_guardrail_can_watch_balanced_accuracy() -> None:
    tuned = {"val_acc": 0.9, "val_balanced_acc": 0.6, "pruned_heads": []}
    for accuracy, threshold in (("plain", 0.45), ("balanced", 0.3)):
        params = {"accuracy": accuracy, "accuracy_threshold": 0.5, "refine": None}
        defense = steps_of(Choice(name="head-pruning", params=params))
        step, found = next(defense), []
        while step.stage.name != "prune":
            step = defense.send(tuned)
            found += [step]
        assert found[0].settings[2:] == (threshold, 4, accuracy == "balanced")
        assert found[1].settings[1:] == (threshold, 4, 400, accuracy == "balanced")
