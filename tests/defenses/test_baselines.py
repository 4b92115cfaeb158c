"""Baselines are the same run, defended otherwise."""

import json

import pytest

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.cli.main import main
from backend.defenses import COMPONENTS, defended
from backend.spec.presets import preset
from backend.spec.run import DefenseSpec, OnionSpec, RunSpec, TrainingSpec


def by(name: str, **params: object) -> RunSpec:
    return defended(preset("demo"), Choice(name=name, params=params))


def test_each_keeps_everything_but_the_defense() -> None:
    demo = preset("demo")
    for name in COMPONENTS:
        made = by(name)
        RunSpec.model_validate(made.model_dump())
        assert made.model_copy(update={"defense": None, "attack": None}) == demo.model_copy(
            update={"defense": None, "attack": None}
        )
        assert demo == preset("demo"), "the given run is left alone"


def test_fine_tunings() -> None:
    demo = preset("demo").defense
    assert by("ft").defense.strategy.name == "none" and by("ft").defense.refine is None
    assert by("ft").defense.fine_tune == demo.fine_tune
    assert by("fth", learning_rate=0.01).defense.fine_tune.learning_rate == 0.01
    assert by("meft", epochs=2).defense.entropy.epochs == 2
    assert by("ft").defense.entropy is None


def test_pure_prunes_by_variance_and_normalises_attention() -> None:
    defense = by("pure").defense
    assert (defense.strategy.name, defense.regulariser, defense.regulariser_weight) == (
        "variance",
        "attention-normalisation",
        0.15,
    )


def test_controls_and_the_reference() -> None:
    demo = preset("demo")
    control = by("second-fine-tuning").defense
    assert control.strategy.name == "none" and control.refine == demo.defense.refine
    assert by("no-defense").defense is None and by("no-defense").attack is not None
    reference = by("reference")
    assert reference.attack is None and reference.trigger == demo.trigger
    demo.attack = None
    with pytest.raises(UserError, match="needs a planted backdoor"):
        defended(demo, Choice(name="no-defense"))


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["defenses", "--json"])
    listed = {one["name"]: one["as"] for one in json.loads(capsys.readouterr().out)}
    baselines = {"ft", "fth", "meft", "pure", "onion", "no-defense", "reference", "second-fine-tuning"}
    assert {name for name, kind in listed.items() if kind == "baseline"} == baselines
    assert {"random", "as-many-random"} <= {name for name, kind in listed.items() if kind == "strategy"}


@pytest.mark.parametrize("name", ["ft", "fth", "pure", "reference"])
def test_what_the_run_maximises_or_filters_is_no_part_of_another_defense(name: str) -> None:
    spec = preset("demo")
    assert spec.defense is not None
    spec.defense.entropy, spec.defense.onion = spec.defense.fine_tune, OnionSpec()
    made = defended(spec, Choice(name=name)).defense
    assert made is not None and made.entropy is None and made.onion is None


FIRST = TrainingSpec(epochs=2, learning_rate=1e-4, batch_size=8, max_grad_norm=0.5)
SECOND = TrainingSpec(epochs=5, learning_rate=4e-5, batch_size=64, max_grad_norm=2.0)
OTHERWISE = DefenseSpec(
    strategy=Choice(name="gradient", variant="published"),
    train_rows=200,
    threshold_kind="absolute",
    accuracy_threshold=0.8,
    prune_step=7,
    entropy=TrainingSpec(epochs=4),
    fine_tune=FIRST,
    refine=SECOND,
    refine_from="pruned",
    regulariser="l2",
    regulariser_weight=0.4,
    onion=OnionSpec(share=0.2, rows=30),
    curve_rows=50,
)
"""A defense in which no setting is the default."""


def changes(name: str, first: TrainingSpec, second: TrainingSpec | None) -> dict[str, object]:
    """What a baseline changes of a defense that is fine-tuned by `first`, then by `second`."""
    none = Choice(name="none")
    alone = {"strategy": none, "refine": None, "entropy": None, "onion": None}
    high = TrainingSpec(**first.model_dump() | {"learning_rate": 3e-4})
    maximising = TrainingSpec(**first.model_dump() | {"epochs": 1, "learning_rate": 2e-5})
    return {
        "ft": alone,
        "fth": alone | {"fine_tune": high},
        "meft": alone | {"entropy": maximising},
        "onion": alone | {"onion": OnionSpec(share=0.05, rows=100)},
        "reference": alone,
        "second-fine-tuning": {"strategy": none, "refine": second or first},
        "pure": alone
        | {
            "strategy": Choice(name="variance"),
            "refine": second or first,
            "refine_from": "downloaded",
            "regulariser": "attention-normalisation",
            "regulariser_weight": 0.15,
        },
    }[name]


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"no-defense"}))
@pytest.mark.parametrize("second", [SECOND, None], ids=["refined", "unrefined"])
def test_each_sets_its_own_part_of_the_defense_and_keeps_the_rest(
    name: str, second: TrainingSpec | None
) -> None:
    defense = OTHERWISE.model_copy(update={"refine": second})
    spec = preset("demo").model_copy(update={"defense": defense})
    expected = defense.model_copy(update=changes(name, FIRST, second))
    assert defended(spec, Choice(name=name)).defense == expected


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"no-defense"}))
def test_each_defends_a_run_that_had_no_defense(name: str) -> None:
    spec = preset("demo").model_copy(update={"defense": None})
    expected = DefenseSpec(**changes(name, TrainingSpec(), TrainingSpec()))
    assert defended(spec, Choice(name=name)).defense == expected


def test_their_parameters_go_where_they_belong() -> None:
    assert by("onion", share=0.3, rows=20).defense.onion == OnionSpec(share=0.3, rows=20)
    assert by("pure", weight=0.7).defense.regulariser_weight == 0.7
    entropy = by("meft", epochs=2, learning_rate=1e-3).defense.entropy
    assert (entropy.epochs, entropy.learning_rate) == (2, 1e-3)
