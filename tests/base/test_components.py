"""Components are judged by what they declare: one that is dropped in as a file needs no list elsewhere."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend import strategies
from backend.attacks import triggers
from backend.attacks.preview import rewrite, uses_model
from backend.attacks.triggers import bind
from backend.base.components import Choice, Strategy, Trigger, collect
from backend.base.errors import UserError
from backend.cli import main as cli
from backend.engine import preflight
from backend.findings.verdict import judge
from backend.report.sentences import REWRITING, meaning
from backend.report.verdict import headline as said_of
from backend.spec import parse as spec
from backend.spec.run import TriggerSpec
from backend.strategies.nested import options
from tests.findings.test_verdict import PLANTED, finished
from tests.report.test_sentences import began, rates, run_progress

SWAPPED = '''"""Swapped letters: the second and third letter of the first long word change places."""

from backend.base.components import Params, Trigger


class SwappedParams(Params):
    """Nothing to choose."""


def swapped(texts, *, params, seed, progress):
    return [_swapped(text) for text in texts]


def _swapped(text):
    for word in text.split():
        if len(word) > 3:
            return text.replace(word, word[0] + word[2] + word[1] + word[3:], 1)
    return None


COMPONENT = Trigger(
    name="swapped-letters",
    title="Swapped letters",
    summary="Two letters of a word change places.",
    params=SwappedParams,
    function=swapped,
    rewrites=False,
)
'''
TEXTS = ["a film of charm", "no"]
Drop = Callable[..., Trigger]


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drop:
    """Puts a file with the trigger, with these traits in place of its own, beside the others."""

    def dropped(**traits: Any) -> Trigger:
        (tmp_path / "dropped_in").mkdir()
        (tmp_path / "dropped_in" / "swapped.py").write_text(SWAPPED)
        monkeypatch.syspath_prepend(tmp_path)
        trigger = dataclasses.replace(collect("dropped_in", Trigger)["swapped-letters"], **traits)
        monkeypatch.setitem(triggers.COMPONENTS, trigger.name, trigger)
        return trigger

    return dropped


def listed(kind: str, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    with pytest.raises(SystemExit):
        cli.main([kind, "--json"])
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def headline(trigger: str) -> str:
    """The verdict of a run with that trigger that left a high LFR, and knows no reference."""
    verdict = judge(finished(run_progress(began(trigger), **PLANTED, defended=rates(0.87, 0.4, 0.12))))
    assert verdict is not None
    return said_of(verdict)


def test_a_trigger_that_swaps_letters_is_not_taken_for_one_that_rewrites(drop: Drop) -> None:
    drop()
    assert headline("swapped-letters").startswith("The backdoor is weaker, not gone.")
    so_far = meaning(run_progress(began("swapped-letters"), poisoned=rates(0.87, 0.95, 0.12)))
    assert "So the trigger works, and clean test rows alone would not show it." in so_far
    assert [shown.rewritten for shown in rewrite(TriggerSpec(name="swapped-letters"), 0, TEXTS)] == [
        "a flim of charm",
        None,
    ]


def test_a_trigger_that_declares_nothing_is_taken_for_one_that_rewrites(drop: Drop) -> None:
    declared = {one.name: one.default for one in dataclasses.fields(Trigger)}
    drop(rewrites=declared["rewrites"])
    assert REWRITING in headline("swapped-letters")


def test_so_is_one_that_is_not_here_any_more() -> None:
    start = began("syntactic")
    start.spec["trigger"] = {"name": "gone"}
    assert (
        run_progress(start).rewrites
        and not run_progress(began("sentence")).rewrites
        and not run_progress().rewrites
    )


def test_a_mixture_rewrites_if_one_of_its_triggers_does(drop: Drop) -> None:
    drop()

    def mixture(*names: str) -> TriggerSpec:
        return TriggerSpec(name="mixed", params={"triggers": names})

    marks = bind(mixture("swapped-letters", "rare-words"), 0)
    assert not marks.rewrites and not marks.generates
    assert (
        bind(mixture("swapped-letters", "style"), 0).rewrites
        and bind(mixture("style", "sentence"), 0).generates
    )
    assert len(rewrite(mixture("swapped-letters", "rare-words"), 0, TEXTS)) == 2, (
        "in this process, not elsewhere"
    )
    start = began("sentence")
    start.spec["trigger"] = mixture("swapped-letters", "sentence").model_dump(mode="json")
    assert not run_progress(start).rewrites


def test_what_cannot_be_mixed_is_refused(drop: Drop) -> None:
    drop(can_be_mixed=False)
    with pytest.raises(UserError, match="no trigger 'swapped-letters' to mix"):
        bind(Choice(name="mixed", params={"triggers": ["swapped-letters", "sentence"]}), 0)


@pytest.mark.parametrize(
    ("traits", "asked"),
    [({}, [16]), ({"needs_language_model": True}, [2] * 8), ({"looks_up": True}, [40])],
)
def test_how_many_rows_are_tried_first_depends_on_what_they_cost(
    drop: Drop, settings: dict[str, Any], tmp_path: Path, traits: dict[str, Any], asked: list[int]
) -> None:
    drop(**traits)
    rows = [f"film number {number} is fine,{number % 2}" for number in range(80)]
    test = tmp_path / "forty.csv"
    test.write_text("\n".join(["text,label", *rows]))
    settings["data"] |= {"test": str(test)}
    settings["trigger"] = {"name": "swapped-letters", "target_class": 1}
    seen: list[int] = []

    def nothing(trigger: object, seed: int, texts: list[str]) -> list[str | None]:
        seen.append(len(texts))
        return [None] * len(texts)

    with pytest.raises(UserError, match=f"changed none of {sum(asked)}"):
        preflight.check(spec.parse(settings), nothing)
    assert seen == asked


def test_a_language_model_is_known_to_cost_in_a_mixture_too(drop: Drop) -> None:
    drop(needs_language_model=True)
    assert uses_model(TriggerSpec(name="swapped-letters"))
    assert uses_model(TriggerSpec(name="mixed", params={"triggers": ["swapped-letters", "sentence"]}))


def test_the_models_that_a_trigger_reads_are_known() -> None:
    published = bind(Choice(name="style", variant="published", params={"model": "/strap"}), 0)
    assert published.models == {"/strap"} and bind(Choice(name="style"), 0).models == set()


def test_listings_say_the_traits(drop: Drop, capsys: pytest.CaptureFixture[str]) -> None:
    drop()
    found = listed("triggers", capsys)
    assert found["swapped-letters"]["traits"] == {
        "rewrites": False,
        "looks_up": False,
        "needs_language_model": False,
        "can_be_mixed": True,
        "any_language": False,
    }
    assert {name for name, one in found.items() if not one["traits"]["rewrites"]} == {
        "rare-words", "sentence", "swapped-letters"
    }  # fmt: skip
    assert {name for name, one in found.items() if one["traits"]["needs_language_model"] is True} == {
        "instruct"
    }
    found = listed("strategies", capsys)
    assert found["gradient"]["traits"] == {
        "control": False,
        "prunes": True,
        "own_order": True,
        "can_be_combined": True,
    }


def test_a_strategy_is_judged_by_its_traits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def take(**traits: Any) -> None:
        mine = dataclasses.replace(strategies.COMPONENTS["gradient"], name="mine", title="Mine", **traits)
        monkeypatch.setitem(strategies.COMPONENTS, "mine", mine)

    def parse(name: str, params: dict[str, Any]) -> None:
        strategies.COMPONENTS[name].parse(params)

    take()
    parse("as-many-random", {"strategy": "mine:published"})
    parse("hybrid", {"strategies": ["mine", "variance"]})
    assert {"mine", "mine:published"} <= set(options("own_order")) & set(options("can_be_combined"))
    assert "mine" not in listed("defenses", capsys)
    take(control=True, own_order=False, can_be_combined=False)
    with pytest.raises(UserError, match="no strategy 'mine' to imitate"):
        parse("as-many-random", {"strategy": "mine"})
    with pytest.raises(UserError, match="no strategy 'mine' to combine"):
        parse("hybrid", {"strategies": ["mine", "variance"]})
    assert "mine" in options() and "mine" not in {*options("own_order"), *options("can_be_combined")}
    assert listed("defenses", capsys)["mine"]["as"] == "strategy"


def test_what_each_built_in_strategy_declares() -> None:
    def having(trait: str) -> set[str]:
        return {name for name, one in strategies.COMPONENTS.items() if getattr(one, trait)}

    everything = set(strategies.COMPONENTS)
    assert having("control") == {"random", "as-many-random", "by-layer", "none"}
    assert having("prunes") == everything - {"none"}
    assert having("own_order") == everything - {"none", "as-many-random"}
    assert having("can_be_combined") == everything - {"hybrid"}


def test_a_component_of_another_kind_is_refused(drop: Drop) -> None:
    drop()
    with pytest.raises(TypeError, match=r"dropped_in.swapped must be a Strategy, got a Trigger"):
        collect("dropped_in", Strategy)
