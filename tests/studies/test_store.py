"""Studies as they are carried out: queued, taken over, done again, cancelled."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import torch

from backend.base.checkpoints import RECORD
from backend.base.errors import UserError
from backend.base.events import RunFinished
from backend.base.paths import run_folder
from backend.cli.main import main
from backend.engine import stage_cache
from backend.runs import execution, leases
from backend.runs.schema import STUDIES, STUDY_RUNS
from backend.runs.store import Store
from backend.spec.presets import head_pruning
from backend.spec.run import ModelSpec, RunSpec, TriggerSpec
from backend.studies import exports, preflight
from backend.studies import store as records
from backend.studies.built_in import built_in
from backend.studies.foreground import carry_out_study
from backend.studies.preflight import check_cells
from backend.studies.spec import cells, parse_study, study_id
from tests.headers import bert_folder, classifier
from tests.studies.grid import GRID, queue


def test_a_study_is_carried_out_resumed_and_exported(
    store: Store, fake_engine: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(GRID))

    def study(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["study", str(file), *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    status, out, err = study("--json", "--export", str(tmp_path / "table.csv"))
    assert status == 1, "three of its runs failed"
    found = json.loads(out)
    assert found["states"] == {"done": 9, "failed": 3}
    assert "[12 of 12] style · gradient, seed 2" in err and "50% gone" in err
    rows = {(row["victim"], row["defense"]): row for row in found["rows"]}
    gradient = rows["rare", "gradient"]
    assert gradient["lfr"]["mean"] == pytest.approx(0.65)
    assert gradient["lfr"]["deviation"] == pytest.approx(0.0707, abs=1e-3)
    assert gradient["excess"]["mean"] == pytest.approx(0.55)
    assert gradient["lfr_before"]["mean"] == pytest.approx(0.8)
    assert rows["style", "FT"]["lfr"]["seeds"] == 1 and rows["style", "FT"]["problems"]
    assert (tmp_path / "table.csv").read_text().count("\n") == 13

    status, out, err = study("--export", str(tmp_path / "table.tex"))
    assert "[3 of 3]" in err and "[4 of" not in err, "only what failed is done again"
    assert r"65.0 $\pm$ 7.1" in (tmp_path / "table.tex").read_text()
    status, _, err = study("--export", "table.pdf")
    assert status == 2 and "can be exported as" in err
    assert "| rare | gradient |" in exports.as_markdown(records.studies(store)[0])


def test_a_study_goes_on_with_the_heads_that_it_began_with(store: Store, tmp_path: Path) -> None:
    """A fresh head was once the default, of whole classifiers too."""
    model = {"source": "folder", "name": str(bert_folder(tmp_path / "whole", classifier()))}
    study = parse_study(GRID | {"base": GRID["base"] | {"model": model}})
    record = records.current(store, study)
    wanted = records.wanted_cells(store, record)
    assert {cell.spec.model.head for cell in wanted} == {"auto"}
    records.begin(store, record, wanted[:1])
    before = wanted[0].spec.model_copy(deep=True)
    before.model.head = "fresh"
    records.enter(store, record, replace(wanted[0], spec=before))
    went_on = records.wanted_cells(store, records.current(store, study))
    assert len(went_on) == len(wanted) - 1
    assert {cell.spec.model.head for cell in went_on} == {"fresh"}


def test_a_queued_study_is_followed_cancelled_and_forgotten(store: Store) -> None:
    study = parse_study(GRID)
    record = queue(store, study)
    assert record.states() == {"queued": 12} and not record.over
    assert queue(store, study).runs.keys() == record.runs.keys(), "nothing is queued twice"
    assert len(store.runs()) == 12
    with pytest.raises(UserError, match="still running"):
        records.forget(store, record)
    record = records.cancel(store, record, records.Part(victims=["style"]))
    assert record.states() == {"cancelled": 6, "queued": 6}
    record = records.cancel(store, record)
    assert record.states() == {"cancelled": 12} and record.over
    again = queue(store, study, records.Part([("rare", "FT", 1)]))
    assert again.states() == {"cancelled": 11, "queued": 1}
    assert len(store.runs()) == 12, "the same run goes on"
    store.delete(record.runs["style", "FT", 2].id)
    assert records.read_study_record(store, record.id).states()["waiting"] == 1
    records.cancel(store, again)
    records.forget(store, records.read_study_record(store, record.id))
    assert records.studies(store) == [] and len(store.runs()) == 11
    with pytest.raises(UserError, match="no study"):
        records.read_study_record(store, study_id(study))


def test_a_study_is_deleted_with_its_runs_and_their_models(
    store: Store, fake_engine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.current(store, parse_study(GRID | {"seeds": [1]}))
    for _ in range(2):
        wanted = records.wanted_cells(store, record, records.Part(defenses=["FT"], again=True))
        record, _ = carry_out_study(store, record, wanted, lambda said: None)
    other = store.submit(cells(record.study)[0].spec)
    folders = [run_folder(run.id) for run in store.runs()]
    assert len(folders) == 5, "done again, and one that is not the study's"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    taken = next(run.id for run in record.runs.values())
    victim = ModelSpec(source="run", name=taken)
    waiting = store.submit(cells(record.study)[1].spec.model_copy(update={"model": victim}))
    for arguments, said in ((["--victim", "rare"], "takes no other options"), ([], "starts from the model")):
        with pytest.raises(SystemExit) as ended:
            main(["study", record.id, "--delete", *arguments])
        assert ended.value.code == 2 and said in capsys.readouterr().err
        assert len(store.runs()) == 6, "all of it or nothing"
    store.delete(waiting.id)
    with pytest.raises(SystemExit) as ended:
        main(["study", record.id, "--delete"])
    assert not ended.value.code and f"{record.id} and its 4 runs" in capsys.readouterr().out
    assert records.studies(store) == [] and [run.id for run in store.runs()] == [other.id]
    assert [folder for folder in folders if folder.exists()] == [run_folder(other.id)]


def test_a_disk_too_small_for_all_models_is_told(excise_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run by itself would fit, and the disk be full hours later."""
    monkeypatch.setattr(preflight, "check", lambda *_: [])
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 10**10, 10**10))
    wanted = cells(built_in("replication"))
    (said,) = check_cells(wanted)
    assert "has 10.0 GB free; the models that 243" in said and "need about 45.9 GB" in said
    assert check_cells(wanted[:20]) == []


def test_some_runs_are_done_again(
    store: Store, fake_engine: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(GRID))

    def study(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["study", *arguments])
        return int(ended.value.code or 0), capsys.readouterr().err

    chosen = ("--victim", "rare", "--defense", "FT")
    status, err = study(str(file), *chosen)
    assert status == 0 and "[2 of 2] rare · FT, seed 2" in err, "all that was asked for is done"
    record = records.studies(store)[0]
    assert record.states() == {"waiting": 10, "done": 2}
    status, err = study(record.id[:10], *chosen)
    assert "of" not in err, "what is done is not done again"
    _, err = study(record.id, *chosen, "--seed", "2", "--again")
    assert "[1 of 1] rare · FT, seed 2" in err
    after = records.read_study_record(store, record.id)
    assert after.runs["rare", "FT", 1].id == record.runs["rare", "FT", 1].id
    assert after.runs["rare", "FT", 2].id != record.runs["rare", "FT", 2].id
    status, err = study(record.id, "--defense", "magic")
    assert status == 2 and "no defense 'magic'; it has: honest, FT, gradient" in err
    status, err = study("magic")
    assert status == 2 and "There is no study 'magic'" in err


def test_a_study_takes_over_what_a_dead_process_left(store: Store, fake_engine: None) -> None:
    study = parse_study(GRID | {"victims": {"rare": GRID["victims"]["rare"]}, "seeds": [1]})
    record = queue(store, study)
    queued, left, alive = (record.runs["rare", defense, 1].id for defense in GRID["defenses"])
    assert leases.claim(store, "killed", left, seconds=-1.0)
    assert leases.claim(store, "alive", alive)
    record = records.current(store, study)
    assert records.wanted_cells(store, record) == [], "they are a worker's"
    wanted = records.wanted_cells(store, record, records.Part(here=True))
    record, stopped = carry_out_study(store, record, wanted, lambda said: None)
    assert stopped is None and record.states() == {"done": 2, "running": 1}
    assert {run.id for run in record.runs.values()} == {queued, left, alive}


def test_a_study_ends_where_a_failed_run_spoiled_the_gpu(
    store: Store, fake_engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled() -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered", 710)

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", spoiled)
    record = records.current(store, parse_study(GRID))
    with pytest.raises(UserError, match="Start the study again"):
        carry_out_study(store, record, records.wanted_cells(store, record), lambda said: None)
    states = records.read_study_record(store, record.id).states()
    assert states["failed"] == 1 and states["waiting"] > 0, "the rest is left for a process with a GPU"


def test_two_that_start_a_study_at_once_do_nothing_twice(store: Store, fake_engine: None) -> None:
    study = parse_study(GRID)
    first, second = records.current(store, study), records.current(store, study)
    wanted = records.wanted_cells(store, first)
    records.queue(store, first, wanted)
    assert records.queue(store, second, wanted).states() == {"queued": 12} and len(store.runs()) == 12
    assert carry_out_study(store, second, wanted, lambda said: None)[0].states() == {"queued": 12}
    cancelled = records.cancel(store, records.current(store, study))
    records.queue(store, cancelled, wanted)
    assert records.queue(store, cancelled, wanted).states() == {"queued": 12}, "taken up once"


def test_what_is_defended_again_takes_nothing_over_but_the_planting(store: Store, fake_engine: None) -> None:
    study = parse_study(GRID | {"victims": {"rare": GRID["victims"]["rare"]}, "seeds": [1]})
    record = records.current(store, study)
    record, _ = carry_out_study(store, record, records.wanted_cells(store, record), lambda said: None)
    keys = {}
    for stage in ("poisoned", "fine_tuned", "pruned"):
        folder = run_folder(record.runs["rare", "gradient", 1].id) / stage
        folder.mkdir(parents=True)
        keys[stage] = stage_cache.key_of(stage)
        (folder / RECORD).write_text(json.dumps({"key": keys[stage]}))
        stage_cache.offer(keys[stage], folder)
    queue(store, study, records.Part(defenses=["gradient"], again=True))
    here = {stage: stage_cache.fetch(key, run_folder("new") / stage) for stage, key in keys.items()}
    assert here == {"poisoned": True, "fine_tuned": False, "pruned": False}


def test_defenses_that_are_done_again_share_what_is_done_anew(
    store: Store, fake_engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fine-tuning for all of them, also where they are carried out one after another."""
    trained = []

    def trains(spec: Any, folder: Path, *, run: str, **_: object) -> Iterator[Any]:
        place, key = folder / "fine_tuned", stage_cache.key_of("fine_tuned", spec.seed)
        if not stage_cache.fetch(key, place):
            trained.append(run)
            place.mkdir(parents=True)
            (place / RECORD).write_text(json.dumps({"key": key}))
            stage_cache.offer(key, place)
        yield RunFinished(run=run, state="done")

    monkeypatch.setattr(execution, "default_engine", lambda: trains)
    record = records.current(store, parse_study(GRID | {"seeds": [1]}))
    for times in (1, 2):
        wanted = records.wanted_cells(store, record, records.Part(again=True))
        record, _ = carry_out_study(store, record, wanted, lambda said: None)
        assert len(wanted) == 6 and len(trained) == times


def test_a_study_whose_files_changed_is_another(store: Store, fake_engine: None, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nfine,1\n")
    data = {"source": "files", "train": str(rows)}
    settings = GRID | {"base": {"data": data}, "seeds": [1]}
    record = queue(store, parse_study(settings))
    rows.write_text("text,label\nnot so fine,0\n")
    with pytest.raises(UserError, match="files of the study changed"):
        records.wanted_cells(store, records.find(store, record.id))
    assert queue(store, parse_study(settings)).id != record.id


def test_a_queued_study_is_cancelled_at_the_terminal(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    record = queue(store, parse_study(GRID))
    with pytest.raises(SystemExit) as ended:
        main(["study", record.id, "--cancel"])
    assert not ended.value.code and "12 cancelled" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["studies", "--started", "--json"])
    assert json.loads(capsys.readouterr().out)[0] | {"id": ""} == {
        "id": "",
        "name": "Small grid",
        "states": "12 cancelled",
    }


def test_every_kind_of_threshold_is_checked_and_the_trigger_tried_once(excise_home: Path) -> None:
    tried: list[str] = []

    def rewrite(trigger: TriggerSpec, seed: int, texts: list[str]) -> list[str | None]:
        tried.append(trigger.name)
        return [f"{text} indeed" for text in texts]

    warnings = check_cells(cells(built_in("threshold", quick=True)), rewrite)
    assert any("absolute τ above the fine-tuned model's accuracy" in said for said in warnings)
    assert tried == ["syntactic"]


def test_what_is_shown_is_what_is_asked_for(
    store: Store, fake_engine: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = queue(store, parse_study(GRID))

    def show(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(["study", record.id, "--show", *arguments])
        said = capsys.readouterr()
        return said.out + said.err

    assert "gradient" in show() and "gradient" not in show("--defense", "FT")
    assert "no victim 'Nope'" in show("--victim", "Nope") and "Drop --seed" in show("--seed", "2")
    with store.writing() as connection:
        connection.execute(
            sa.update(STUDIES).where(STUDIES.c.id == record.id).values(spec='{"colour": "red"}')
        )
    said = show("--export", str(tmp_path / "table.tex"))
    assert "not valid any more" in said and not (tmp_path / "table.tex").exists()
    run = store.submit(RunSpec(defense=head_pruning())).id
    with store.writing() as connection:
        place = {"study": record.id, "victim": "rare", "defense": "late", "seed": 9}
        connection.execute(sa.insert(STUDY_RUNS).values(place | {"run": run}))
    with pytest.raises(SystemExit):
        main(["study", record.id, "--cancel"])
    assert "are cancelled" in capsys.readouterr().err and store.run(run).state == "cancelled"


def test_only_a_built_in_study_has_a_quick_form(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    record = queue(store, parse_study(GRID))
    with pytest.raises(SystemExit) as ended:
        main(["study", record.id, "--quick"])
    assert ended.value.code == 2 and "Only built-in studies" in capsys.readouterr().err


def test_rows_that_may_not_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    file = tmp_path / "rows.csv"
    file.write_text("text,label\n")
    study = parse_study(GRID | {"base": {"data": {"source": "files", "train": str(file)}}})
    monkeypatch.setattr("backend.base.files.file_hash", refused)
    with pytest.raises(UserError, match=r"rows.csv cannot be read \(Permission denied\)"):
        study_id(study)


def test_what_cannot_work_is_told_before_anything_starts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each victim is looked at once, and all that are wrong are named."""
    monkeypatch.setattr(
        "backend.attacks.preview.rewritten_here", lambda trigger, seed, texts: [None for _ in texts]
    )
    victims = {
        "no file": {"data": {"source": "files", "train": str(tmp_path / "absent.csv")}},
        "no such class": {"trigger": {"name": "rare-words", "target_class": "splendid"}},
        "no pairs": {"trigger": {"name": "pairs", "params": {"clean": "absent", "rewritten": "absent"}}},
    }
    base = {"trigger": {"name": "rare-words"}, "attack": {"poison_rate": 0.3}}
    file = tmp_path / "study.yaml"

    def refused(victims: dict[str, Any]) -> str:
        file.write_text(json.dumps(GRID | {"base": base, "victims": victims}))
        with pytest.raises(SystemExit) as ended:
            main(["study", str(file)])
        assert ended.value.code == 2
        assert store.runs() == [] and records.studies(store) == []
        return capsys.readouterr().err

    said = refused(victims)
    assert all(said.count(f"Victim {name!r}") == 1 for name in victims) and "splendid" in said
    run = {"gone": {"model": {"source": "run", "name": "f00d"}, "attack": None}}
    defenses = {"FT": {"baseline": "ft"}}
    file.write_text(json.dumps(GRID | {"base": base, "victims": run, "defenses": defenses}))
    with pytest.raises(SystemExit) as ended:
        main(["study", str(file), "--queue"])
    assert ended.value.code == 2 and "no run 'f00d'" in capsys.readouterr().err
    assert store.runs() == [] and records.studies(store) == []
