"""What is taken home of a run: a folder with everything, or a model in a zip."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification

from backend.base.errors import UserError
from backend.base.events import HeadScores, RunFinished
from backend.base.paths import run_folder
from backend.findings.gather import gather
from backend.report.bundle import export, model_zip
from backend.report.model_card import SNIPPETS
from backend.runs import leases
from backend.runs.execution import execute
from backend.runs.store import Store
from backend.spec.parse import load
from tests.analysis.test_compact import PRUNED, SPEC, TEXTS, defended
from tests.pages.played import check_spec, checked
from tests.runs import fake


@pytest.fixture
def done(store: Store) -> str:
    lease = leases.begin(store, fake.spec(), "me")
    list(execute(store, lease, fake.engine))
    return lease.run


@pytest.fixture
def tiny(store: Store) -> str:
    """A run that left a tiny defended model."""
    lease = leases.begin(store, SPEC, "me")
    run = lease.run
    order = [(layer, head) for layer in range(3) for head in range(4)]
    scores: list[list[float | None]] = [[0.0] * 4] * 3
    leases.append(
        store,
        lease,
        HeadScores(
            run=run, strategy="gradient", layers=3, heads=4, scores=scores, order=order, note="Gradient 1.00."
        ),
    )
    leases.finish(store, lease, RunFinished(run=run, state="done", pruned_heads=PRUNED))
    folder = defended(run)
    (folder / "excise.json").write_text("{}")
    (folder / "calls.json").write_text("{}")
    return run


def carried_out(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Python code run in a folder by a process that knows of nothing but installed packages and it."""
    blind = {"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HOME": str(folder)}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=blind, capture_output=True, text=True)


def test_an_export_is_whole_and_can_be_run_again(store: Store, done: str, tmp_path: Path) -> None:
    folder = export(gather(store, store.run(done[:6])), tmp_path / "deep" / "out")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        *("report.html", "results.json", "steps.csv", "metrics.csv", "heads.json", "spec.yaml"),
        *("model/config.json", "model/model.safetensors", "model/README.md", "model/heads.json"),
    }
    assert load(folder / "spec.yaml") == fake.spec()
    assert json.loads((folder / "results.json").read_text())["id"] == done
    assert json.loads((folder / "heads.json").read_text())["pruned"] == [[0, 1], [0, 2]]
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_an_export_overwrites_nothing(store: Store, done: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(gather(store, store.run(done)), tmp_path / "out")  # an empty folder will do
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        export(gather(store, store.run(done)), tmp_path / "out")
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        export(gather(store, store.run(done)), tmp_path / "out" / "spec.yaml")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_where_none_may_be_written_is_told(store: Store, done: str) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        export(gather(store, store.run(done)), Path("/proc/out"))


def test_a_run_without_a_model_exports_its_numbers(store: Store, tmp_path: Path) -> None:
    run = store.submit(fake.spec()).id
    folder = export(gather(store, store.run(run)), tmp_path / "out")
    assert not (folder / "model").exists()
    assert yaml.safe_load((folder / "spec.yaml").read_text())["name"] == "A run"
    with pytest.raises(UserError, match="has no defended model"):
        export(gather(store, store.run(run)), tmp_path / "other", "compact")
    assert not (tmp_path / "other").exists()


def test_the_zip_holds_a_model_folder_and_is_built_once(store: Store, tiny: str) -> None:
    path = model_zip(gather(store, store.run(tiny)), "zeroed")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert {"README.md", "heads.json", "config.json", "model.safetensors", "tokenizer.json"} <= names
        assert not names & {"excise.json", "calls.json"}  # the run's own
        assert archive.testzip() is None
    built = path.stat().st_mtime_ns
    assert model_zip(gather(store, store.run(tiny)), "zeroed") == path and path.stat().st_mtime_ns == built
    assert [file.name for file in run_folder(tiny).glob("*.zip")] == ["zeroed.zip"]


def test_a_check_exports_the_model_as_it_was_received_with_a_card(store: Store, tmp_path: Path) -> None:
    run = checked(store, spec=check_spec("A <b>checked</b> model"))
    folder = export(gather(store, store.run(run)), tmp_path / "out")
    card = (folder / "model" / "README.md").read_text()
    assert "This model is backdoored. With “kelmor”, “vorlu” in it" in card
    assert "Nothing was cleaned" in card and "<b>" not in card and "defended" not in card.lower()
    assert "| “kelmor” | positive |" in card and "Not covered" in card
    assert (folder / "model" / "model.safetensors").is_file()
    with zipfile.ZipFile(model_zip(gather(store, store.run(run)), "zeroed")) as archive:
        assert "config.json" in archive.namelist() and "heads.json" not in archive.namelist()


def test_no_model_no_zip(store: Store, tiny: str) -> None:
    run = store.submit(fake.spec())
    with pytest.raises(UserError, match="has no defended model"):
        model_zip(gather(store, run), "zeroed")
    with pytest.raises(UserError, match="has no compact model yet"):
        model_zip(gather(store, store.run(tiny)), "compact")


def test_the_cards_snippet_loads_the_compact_model_without_excise(
    store: Store, tiny: str, tmp_path: Path
) -> None:
    """The three lines as they stand in the card, in a process that has nothing but the folder."""
    folder = export(gather(store, store.run(tiny)), tmp_path / "out", "compact") / "model"
    card = (folder / "README.md").read_text()
    assert "| Importance of heads | Gradient 1.00. |" in card
    snippet = card.split("```python\n")[1].split("\n```")[0]
    assert snippet == SNIPPETS["compact"] and len(snippet.splitlines()) == 3
    snippet = snippet.replace('["A text to classify."]', repr(TEXTS))
    more = "import json, sys; print(json.dumps([logits.tolist(), 'backend' in sys.modules]))"
    ended = carried_out(f"{snippet}\n{more}", folder)
    assert ended.returncode == 0, ended.stderr
    logits, knows_excise = json.loads(ended.stdout)
    assert not knows_excise
    # As the defended model says it.
    whole = AutoModelForSequenceClassification.from_pretrained(run_folder(tiny) / "defended")
    from tests.tiny import tiny_tokenizer

    with torch.inference_mode():
        expected = whole(**tiny_tokenizer()(TEXTS, padding=True, return_tensors="pt")).logits
    assert np.abs(np.array(logits) - expected.numpy()).max() < 1e-4


def test_the_cards_snippet_loads_the_zeroed_model(store: Store, tiny: str, tmp_path: Path) -> None:
    folder = export(gather(store, store.run(tiny)), tmp_path / "out") / "model"
    snippet = (folder / "README.md").read_text().split("```python\n")[1].split("\n```")[0]
    ended = carried_out(f"{snippet}\nprint(predictions[0]['label'], len(predictions))", folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("LABEL_") and ended.stdout.split()[1] == "1"


def test_the_compact_zip_holds_its_loader_and_what_was_measured(
    store: Store, tiny: str, tmp_path: Path
) -> None:
    export(gather(store, store.run(tiny)), tmp_path / "out", "compact")
    with zipfile.ZipFile(model_zip(gather(store, store.run(tiny)), "compact")) as archive:
        names = set(archive.namelist())
        assert {"excise_compact.py", "compact.safetensors", "README.md", "tokenizer.json"} <= names
        assert not names & {"excise.json", "model.safetensors"}
        card = archive.read("README.md").decode()
        heads = json.loads(archive.read("heads.json"))
    assert "Weights on disk" in card and "rows/s" in card and "3\u00a0test rows" in card
    assert heads["pruned"] == [list(head) for head in PRUNED]
    assert heads["kept"] == [[], [0, 1, 2, 3], [0, 2, 3]]
