"""Baselines are the same run, defended otherwise."""

import json

import pytest

from backend.cli import main
from backend.components import Choice
from backend.defenses import COMPONENTS, defended
from backend.errors import UserError
from backend.presets import preset
from backend.spec import OnionSpec, RunSpec


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
