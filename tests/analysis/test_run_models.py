"""What a run left to be looked at."""

from pathlib import Path

import pytest

from backend.analysis.run_models import Pair, models_left, pairs, places
from backend.analysis.warm.models import open_model
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.engine.generated_rows import GeneratedRow, write_csv
from backend.runs.store import open_store
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, ModelSpec, RunSpec, TriggerSpec
from tests.tiny import tiny_folder

ROWS = """split,row,label,text,rewritten,left_out
train,0,bad,a poor film,a cf poor film,
test,1,bad,a dull plot,a cf dull plot,
test,2,bad,ha,,the trigger cannot change it
test,3,bad,"a film, awful","a film, cf awful",
"""


def test_models_and_rows_of_a_run(excise_home: Path) -> None:
    assert models_left("absent") == [] and pairs("absent") == []
    folder = run_folder("one")
    (folder / "generated").mkdir(parents=True)
    (folder / "generated" / "rewritings.csv").write_text(ROWS)
    tiny_folder(folder / "defended")
    assert models_left("one") == ["defended"]
    assert pairs("one") == [
        Pair("a dull plot", "a cf dull plot", "bad"),
        Pair("a film, awful", "a film, cf awful", "bad"),
    ]
    assert len(pairs("one", most=1)) == 1


def test_rows_of_any_text_are_read_as_they_were_written(excise_home: Path) -> None:
    """Long ones, lines that end in the old way, and rows of two texts."""
    path = run_folder("one") / "generated" / "rewritings.csv"
    path.parent.mkdir(parents=True)
    texts = ["word " * 40_000, "one line\rand another", 'a "quoted" one,']
    rows = [
        GeneratedRow(
            split="test", row=i, label="bad", text=text, rewritten=f"cf {text}", left_out="", second_text="b"
        )
        for i, text in enumerate(texts)
    ]
    write_csv(rows, path)
    assert pairs("one") == [Pair(text, f"cf {text}", "bad", "b") for text in texts]


def test_the_poisoned_model_is_found_where_it_was_planted(excise_home: Path) -> None:
    def leave(run: str, *names: str) -> None:
        for name in names:
            (run_folder(run) / name).mkdir(parents=True)
            (run_folder(run) / name / "config.json").write_text("{}")

    store = open_store()
    planted = store.submit(RunSpec(trigger=TriggerSpec(name="rare-words"), attack=AttackSpec()))
    victim = ModelSpec(source="run", name=planted.id)
    record = store.submit(RunSpec(model=victim, defense=head_pruning()))
    assert places(record) == {}
    leave(record.id, "fine_tuned", "defended")
    own = {"fine_tuned": (record.id, "fine_tuned"), "defended": (record.id, "defended")}
    assert places(record) == own
    leave(planted.id, "poisoned")
    assert list(places(record).items()) == [("poisoned", (planted.id, "poisoned")), *own.items()]
    assert places(planted) == {"poisoned": (planted.id, "poisoned")}


def test_a_model_is_opened_once_and_again_when_it_changed(excise_home: Path) -> None:
    folder = tiny_folder(run_folder("one") / "defended")
    opened = open_model("one", "defended")
    assert opened.grid.shape == (3, 4) and len(opened.label_names) == 2
    assert len(opened.encode(["a good film"] * 3)) == 3
    assert open_model("one", "defended") is opened
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert open_model("one", "defended") is not opened
    with pytest.raises(UserError, match="no poisoned model"):
        open_model("one", "poisoned")
