"""A run's compact model: made once, checked, measured, and refused where it cannot be made."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.analysis import compact
from backend.analysis.compact import compact_folder, make_compact, read_measurement
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.data.rows import Dataset
from backend.heads import excise_compact
from backend.heads.grid import HeadGrid
from backend.heads.surgery import zeroed
from backend.spec.presets import head_pruning
from backend.spec.run import RunSpec, TriggerSpec
from tests.tiny import CONFIGS, tiny_folder, tiny_model, tiny_rows, tiny_tokenizer

SPEC = RunSpec(trigger=TriggerSpec(name="rare-words"), defense=head_pruning(strategy=Choice(name="gradient")))
PRUNED = [(0, 0), (0, 1), (0, 2), (0, 3), (2, 1)]
TEXTS = ["a good film", "the plot is very dull", "bad"]


def defended(run: str, kind: str = "bert") -> Path:
    """A run's folder with the defended model that `PRUNED` leaves, and two triggered rows."""
    folder = run_folder(run) / "defended"
    grid = HeadGrid(tiny_model(kind))
    gates = np.zeros(grid.shape, dtype=bool)
    for head in PRUNED:
        gates[head] = True
    grid.gate(gates)
    zeroed(grid).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (run_folder(run) / "generated").mkdir()
    rows = "".join(f"test,{i},bad,{text},cf {text},\n" for i, text in enumerate(TEXTS))
    head = "split,row,label,text,rewritten,left_out\n"
    (run_folder(run) / "generated" / "rewritings.csv").write_text(head + rows)
    return folder


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_it_is_made_once_and_equals_the_defended_model(excise_home: Path, kind: str) -> None:
    whole = defended("one", kind)
    assert read_measurement("one") is None
    found = make_compact("one", SPEC, PRUNED)
    assert found.bytes_compact < found.bytes_whole == (whole / "model.safetensors").stat().st_size
    assert found.speed_whole > 0 and found.speed_compact > 0 and found.difference < 1e-4
    assert (found.rows, read_measurement("one")) == (3, found)
    model, tokenizer = excise_compact.load(compact_folder("one"))
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = type(model).from_pretrained(whole)(**batch).logits
    assert torch.allclose(model(**batch).logits, expected, atol=1e-4)
    stamp = (compact_folder("one") / excise_compact.WEIGHTS).stat().st_mtime_ns
    assert make_compact("one", SPEC, PRUNED) == found
    assert (compact_folder("one") / excise_compact.WEIGHTS).stat().st_mtime_ns == stamp
    assert [path.name for path in run_folder("one").glob(".*")] == []


def test_without_triggered_rows_the_runs_test_rows_are_read(
    excise_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defended("one")
    (run_folder("one") / "generated" / "rewritings.csv").unlink()
    rows = tiny_rows(40)
    monkeypatch.setattr(compact, "load_data", lambda spec: Dataset("few", rows, rows, rows, ["a", "b"]))
    assert make_compact("one", SPEC, PRUNED).rows == 40


def test_a_compact_model_that_differs_is_not_kept(excise_home: Path) -> None:
    """The head list does not fit the model: heads that still speak would be cut off."""
    tiny_folder(run_folder("one") / "defended")
    (run_folder("one") / "generated").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        rows = tiny_rows(8)
        patch.setattr(compact, "load_data", lambda spec: Dataset("few", rows, rows, rows, ["a", "b"]))
        patch.setattr("backend.heads.surgery.compact", lambda grid: zeroed(HeadGrid(tiny_model(seed=5))))
        with pytest.raises(UserError, match=r"differ from the gated model's by .* Download the zeroed model"):
            make_compact("one", SPEC, PRUNED)
    assert read_measurement("one") is None and not compact_folder("one").exists()
    assert [path.name for path in run_folder("one").glob(".*")] == []


def test_what_cannot_be_made_compact_is_told(excise_home: Path) -> None:
    with pytest.raises(UserError, match="has no defended model"):
        make_compact("absent", SPEC, PRUNED)
    folder = defended("one")
    with pytest.raises(UserError, match="pruned no head"):
        make_compact("one", SPEC, [])
    with pytest.raises(UserError, match="not valid in this version"):
        make_compact("one", None, PRUNED)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(UserError, match=r"gpt2.*supported architectures: BERT"):
        make_compact("one", SPEC, PRUNED)


def test_a_full_disk_is_told(excise_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defended("one")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backend.heads.surgery.save_model", full)
    with pytest.raises(UserError, match="disk is full"):
        make_compact("one", SPEC, PRUNED)
    assert read_measurement("one") is None and [path.name for path in run_folder("one").glob(".*")] == []
