"""What each head does: measured on models of a real run, kept, taken up again."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest

from backend.analysis.head_effects import file_of, heads_left, measure_head, name_of, read_effects
from backend.analysis.importance import read_scores, score
from backend.analysis.warm.head_effects import before_the_cut
from backend.analysis.warm.models import open_model
from backend.analysis.warm.rows import run_rows
from backend.base.errors import UserError
from backend.base.events import Head
from backend.base.paths import run_folder
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.engine import run
from backend.evaluation.evaluator import Evaluator, predict
from backend.spec import parse
from backend.spec.run import RunSpec
from tests.tiny import tiny_folder, tiny_settings

REFINES = {"no second fine-tuning": None, "from the pruned": "pruned", "from the downloaded": "downloaded"}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("victim"))


def carried_out(settings: dict) -> tuple[RunSpec, list[Head]]:
    asked = parse.parse(settings)
    *_, end = run.run(asked, run_folder("one"), run="one")
    assert end.state == "done", end.error
    return asked, [(layer, head) for layer, head in end.pruned_heads]


@pytest.fixture
def finished(excise_home: Path, tmp_path: Path, victim: Path) -> tuple[RunSpec, list[Head]]:
    settings = tiny_settings(tmp_path, victim)
    settings["defense"] |= {"refine": None, "strategy": {"name": "random"}, "accuracy_threshold": 0.5}
    return carried_out(settings)


def test_effects_are_those_of_the_gated_models(finished: tuple[RunSpec, list[Head]]) -> None:
    asked, pruned = finished
    assert pruned, "there is something to give back"
    left = heads_left(None, 3, 4, pruned)
    assert left[0] == (2, 0) and left[-1] == (0, 3), "the last layer first"
    for head in left:
        found = measure_head("one", asked, pruned, head)
        assert name_of(head) in found.gated
    assert heads_left(found, 3, 4, pruned) == [] and read_effects("one") == found
    assert len(found.gated) == 12 and set(found.restored) == {name_of(head) for head in pruned}
    rows = run_rows("one", asked)
    assert rows.triggered is not None
    model, target = open_model("one", "fine_tuned"), rows.clean_data.target_class
    clean = rows.clean_data.test.sample(128, asked.seed)
    triggered = rows.triggered.sample(128, asked.seed)
    assert (found.rows, found.triggered_rows) == (len(clean), len(triggered))
    silent = np.zeros(model.grid.shape, dtype=bool)
    silent[pruned[0]] = True
    alone = found.gated[name_of(pruned[0])]
    assert alone.acc == Evaluator(model.grid, clean).accuracy(silent)
    assert alone.lfr == (Evaluator(model.grid, triggered).predict(silent) == target).mean()
    back = np.zeros(model.grid.shape, dtype=bool)
    for head in pruned[1:]:
        back[head] = True
    assert found.restored[name_of(pruned[0])].acc == Evaluator(model.grid, clean).accuracy(back)
    defended = open_model("one", "defended").model
    assert found.after is not None and found.after.acc == np.mean(
        predict(defended, clean) == np.array(clean.labels)
    )


@pytest.mark.parametrize("refine_from", REFINES.values(), ids=REFINES)
def test_a_cut_head_comes_back_with_the_weights_it_was_silenced_with(
    excise_home: Path, tmp_path: Path, victim: Path, refine_from: str | None
) -> None:
    settings = tiny_settings(tmp_path, victim)
    settings["defense"] |= {"strategy": {"name": "random"}, "accuracy_threshold": 0.5, "prune_step": 4}
    if refine_from is None:
        settings["defense"]["refine"] = None
    else:
        settings["defense"] |= {"refine_from": refine_from, "regulariser": "l2"}
    asked, pruned = carried_out(settings)
    whole = before_the_cut("one", asked, tuple(pruned))
    assert whole is not None and pruned
    defended = open_model("one", "defended")
    rows = encode(defended.tokenizer, Rows(["a good film", "the plot was dull and bad"], [0, 1]), 32)
    silent = np.zeros(whole.shape, dtype=bool)
    for head in pruned:
        silent[head] = True
    evaluator = Evaluator(whole, rows)
    expected = Evaluator(defended.grid, rows).logits()
    assert np.allclose(evaluator.logits(silent), expected, atol=1e-5), "gated it is the defended model"
    assert not np.allclose(evaluator.logits(silent & False), expected, atol=1e-4), "given back it is not"
    layer, head = pruned[0]
    width = whole.sites[layer].output.in_features // whole.heads
    columns = slice(head * width, (head + 1) * width)
    began = open_model("one", "poisoned" if refine_from == "downloaded" else "fine_tuned").grid.sites[layer]
    for part in ("query", "key", "value"):
        own, then = getattr(whole.sites[layer], part).weight, getattr(began, part).weight
        assert np.array_equal(own[columns].detach(), then[columns].detach()), "it never learned while silent"


def test_what_cannot_be_measured_is_said(finished: tuple[RunSpec, list[Head]]) -> None:
    asked, pruned = finished
    with pytest.raises(UserError, match="no head 1 in layer 7: the model has 3 layers of 4 heads"):
        measure_head("one", asked, pruned, (7, 1))
    file_of("one").parent.mkdir(exist_ok=True)
    file_of("one").write_text("{damaged")
    assert read_effects("one") is None
    other = copy.deepcopy(asked)
    other.seed += 1
    (run_folder("one") / "generated" / "excise.json").unlink()
    with pytest.raises(UserError, match="triggered rows of run one"):
        measure_head("one", other, pruned, (0, 0))


def test_what_a_defense_came_to_after_is_measured_then(finished: tuple[RunSpec, list[Head]]) -> None:
    asked, pruned = finished
    early = measure_head("one", asked, [], pruned[0])
    assert early.after is None and heads_left(early, 3, 4, []) == [
        head for head in heads_left(None, 3, 4, []) if head != pruned[0]
    ]
    assert pruned[0] in heads_left(early, 3, 4, pruned), "it was not given back yet"
    late = measure_head("one", asked, pruned, pruned[0])
    assert late.after is not None and name_of(pruned[0]) in late.restored and late.gated == early.gated


def test_a_deleted_run_leaves_nothing_behind(finished: tuple[RunSpec, list[Head]]) -> None:
    asked, pruned = finished
    measure_head("one", asked, pruned, (0, 0))
    shutil.rmtree(run_folder("one"))
    with pytest.raises(UserError, match="no fine-tuned model"):
        measure_head("one", asked, pruned, (0, 1))
    assert not run_folder("one").exists()


def test_other_strategies_score_the_same_model(finished: tuple[RunSpec, list[Head]]) -> None:
    asked, _ = finished
    assert read_scores("one", "gradient") is None
    made = score("one", asked, "gradient")
    assert (made.strategy, made.layers, made.heads) == ("gradient", 3, 4)
    assert sorted(made.order) == [(layer, head) for layer in range(3) for head in range(4)]
    assert read_scores("one", "gradient") == made
    assert score("one", asked, "layer-variance").order != made.order
