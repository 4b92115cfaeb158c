"""Grids of runs: what they expand to, what is shared, what comes of them."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend import shared_stages
from backend.cli import main
from backend.errors import UserError
from backend.events import HeadScores, Metrics, RunFinished, RunStarted
from backend.home import run_folder
from backend.runs import execution, leases
from backend.runs.leases import Lease
from backend.runs.store import Store, open_store
from backend.studies import exports, figures, ready, records, results
from backend.studies.built_in import STUDIES, built_in
from backend.studies.foreground import carry_out_study
from backend.studies.spec import (
    Cell,
    StudySpec,
    cells,
    laid_over,
    load_study,
    parse_study,
    read_study,
    study_id,
)

GRID: dict[str, Any] = {
    "name": "Small grid",
    "base": {"defense": {"prune_step": 3}},
    "victims": {
        "rare": {"trigger": {"name": "rare-words"}, "attack": {"poison_rate": 0.3}},
        "style": {"trigger": {"name": "style"}, "attack": {"poison_rate": 0.2}},
    },
    "defenses": {
        "honest": {"baseline": "reference"},
        "FT": {"baseline": "ft"},
        "gradient": {"strategy": "gradient", "variant": "published", "prune_step": 2},
    },
    "seeds": [1, 2],
}


@pytest.fixture
def store(excise_home: Path) -> Store:
    return open_store()


def engine(spec: Any, folder: Path, *, run: str, **_: object) -> Iterator[Any]:
    """Stands in for the pipeline: LFR tells the seed and whether the victim was poisoned."""
    yield RunStarted(run=run, spec=spec.model_dump(mode="json"), device="none")
    if spec.trigger.name == "style" and spec.seed == 2:
        yield RunFinished(run=run, state="failed", error="The style | is 50% gone.")
        return
    grid = [(layer, head) for layer in range(2) for head in range(2)]
    scores = [[0.0, 1.0], [2.0, 3.0]]
    yield HeadScores(run=run, strategy="gradient", layers=2, heads=2, scores=scores, order=grid)
    lfr = 0.1 if spec.attack is None else 0.5 + spec.seed / 10
    metrics = Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=lfr, clean_flip_rate=0.05)
    pruned = {"pruned": metrics.model_copy(update={"lfr": 0.8})} if spec.defense.refine else {}
    final = {"fine_tuned": metrics, **pruned, **({"defended": metrics} if pruned else {})}
    yield RunFinished(run=run, state="done", metrics=final, pruned_heads=[(0, 1)], seconds=3.0)


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_pipeline", lambda: engine)
    monkeypatch.setattr(ready, "check", lambda *_: [])


def hold(store: Store, record: records.StudyRecord, cell: Cell) -> Lease:
    """A new run of the cell, and the right to work on it."""
    run = records.enter(store, records.read_study_record(store, record.id), cell)
    lease = leases.claim(store, "here", run)
    assert lease is not None
    return lease


def test_a_grid_expands_to_valid_runs_that_share() -> None:
    found = cells(parse_study(GRID))
    assert len(found) == 12
    by = {cell.place: cell.spec for cell in found}
    assert all(spec.share for spec in by.values())
    assert [cell.seed for cell in found[:6]] == [1, 1, 1, 2, 2, 2], "what is shared comes together"
    gradient = by["rare", "gradient", 2]
    assert gradient.defense.strategy.model_dump() == {
        "name": "gradient",
        "variant": "published",
        "params": {},
    }
    assert gradient.defense.prune_step == 2 and by["rare", "FT", 1].defense.prune_step == 3
    assert by["rare", "honest", 1].attack is None and by["rare", "honest", 1].trigger.name == "rare-words"
    assert by["style", "FT", 1].attack.poison_rate == 0.2


def test_a_component_replaces_another_whole() -> None:
    below = {"trigger": {"name": "style", "params": {"style": "bible"}}, "attack": {"poison_rate": 0.1}}
    above = {"trigger": {"name": "sentence"}, "attack": {"planting": "layer-wise"}}
    assert laid_over(below, above) == {
        "trigger": {"name": "sentence"},
        "attack": {"poison_rate": 0.1, "planting": "layer-wise"},
    }


def test_limits_and_the_target_class_stay_under_another_component_or_source() -> None:
    data = {"source": "files", "train": "rows.csv", "label": "stars", "train_rows": 100, "max_length": 64}
    below = {"trigger": {"name": "style", "variant": "published", "target_class": 0}, "data": data}
    above = {"trigger": {"name": "sentence"}, "data": {"source": "hub", "name": "ag_news"}}
    assert laid_over(below, above) == {
        "trigger": {"name": "sentence", "target_class": 0},
        "data": {"source": "hub", "name": "ag_news", "train_rows": 100, "max_length": 64},
    }
    rows = {cell.spec.data.train_rows for cell in cells(built_in("cross-task", quick=True))}
    assert rows == {1000}, "every task of the quick form is small"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"victims": {}}, "victims"),
        ({"defenses": {}}, "defenses"),
        ({"seeds": []}, "seeds"),
        ({"seeds": list(range(500))}, r"2 victims × 3 defenses × 500 seeds = 3,000 runs; at most 1,000"),
        ({"defenses": {"odd": {"strategy": "magic"}}}, r"victim 'rare', defense 'odd'.*no strategy 'magic'"),
        ({"defenses": {"odd": {"baseline": "magic"}}}, "no baseline 'magic'"),
        ({"defenses": {"odd": {"prune_step": 0}}}, "prune_step"),
        ({"victims": {"odd": {"trigger": {"name": "magic"}, "attack": {}}}}, "no trigger 'magic'"),
        ({"colour": "red"}, "colour"),
        ({"base": {"seed": 5}}, "'seed' in 'base', where it counts for nothing: give `seeds`"),
        ({"victims": {str(n): {} for n in range(9000)}, "seeds": list(range(9000))}, "243,000,000 runs"),
    ],
)
def test_a_wrong_study_is_told_before_it_starts(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_study(GRID | change)


def test_files_that_are_no_studies(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path / "absent.yaml")
    odd = tmp_path / "odd.yaml"
    odd.write_text("a: [")
    with pytest.raises(UserError, match="not readable YAML"):
        load_study(odd)
    for endless in (
        "base: &a {data: *a}\nname: odd\nvictims: {v: *a}\ndefenses: {FT: {baseline: ft}}",
        "[" * 3000,
    ):
        odd.write_text(endless)
        with pytest.raises(UserError):
            load_study(odd)
    bomb = ["l0: &l0 [x, x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    odd.write_text("\n".join([*bomb, "name: *l8"]))
    with pytest.raises(UserError) as told:
        load_study(odd)
    assert len(str(told.value)) < 5000
    odd.write_text("- 1")
    with pytest.raises(UserError, match="a mapping of settings; this is a list"):
        load_study(odd)


@pytest.mark.parametrize("defenses", ["{FT: {baseline: ft}, FT: {baseline: fth}}", '{"FT": 1, "FT": 2}'])
def test_a_name_that_is_given_twice_is_refused(defenses: str) -> None:
    with pytest.raises(UserError, match=r"'FT' twice in one mapping \(line 2\)"):
        read_study(f"name: odd\ndefenses: {defenses}", "The study")


def test_mappings_may_be_merged_and_laid_over() -> None:
    text = """
    name: merged
    victims: {rare: &rare {trigger: {name: rare-words}, attack: {poison_rate: 0.3}},
              less: {<<: *rare, attack: {poison_rate: 0.1}}}
    defenses: {FT: {baseline: ft}}
    """
    rates = [
        cell.spec.attack.poison_rate for cell in cells(read_study(text, "The study")) if cell.spec.attack
    ]
    assert rates == [0.3, 0.1]


def test_built_in_studies_are_valid_in_full_and_quick() -> None:
    assert set(STUDIES) == {
        "replication",
        "threshold",
        "step size",
        "cross-trigger",
        "cross-task",
        "mixed",
        "poison rate",
        "defender data",
        "seeds",
    }
    for name in STUDIES:
        full, quick = cells(built_in(name)), cells(built_in(name, quick=True))
        assert len(quick) < len(full)
        assert any(cell.spec.attack is None for cell in quick), "the floor is measured"
    assert built_in("Poison_Rate") == built_in("poison rate")
    with pytest.raises(UserError, match=r"no study 'magic'.*poison-rate"):
        built_in("magic")


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
    assert status == 2 and "none of these" in err
    assert "| rare | gradient |" in exports.as_markdown(records.studies(store)[0])


def queue(store: Store, study: StudySpec, part: records.Part = records.WHOLE) -> records.StudyRecord:
    record = records.current(store, study)
    return records.queue(store, record, records.wanted_cells(store, record, part))


def test_a_queued_study_is_followed_cancelled_and_forgotten(store: Store) -> None:
    study = parse_study(GRID)
    record = queue(store, study)
    assert record.states() == {"queued": 12} and not record.over
    assert queue(store, study).runs.keys() == record.runs.keys(), "nothing is queued twice"
    assert len(store.runs()) == 12
    with pytest.raises(UserError, match="under way"):
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
        keys[stage] = shared_stages.key_of(stage)
        (folder / shared_stages.RECORD).write_text(json.dumps({"key": keys[stage]}))
        shared_stages.offer(keys[stage], folder)
    queue(store, study, records.Part(defenses=["gradient"], again=True))
    here = {stage: shared_stages.fetch(key, run_folder("new") / stage) for stage, key in keys.items()}
    assert here == {"poisoned": True, "fine_tuned": False, "pruned": False}


def test_a_study_whose_files_changed_is_another(store: Store, fake_engine: None, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nfine,1\n")
    data = {"source": "files", "train": str(rows)}
    settings = GRID | {"base": {"data": data}, "seeds": [1]}
    record = queue(store, parse_study(settings))
    rows.write_text("text,label\nnot so fine,0\n")
    with pytest.raises(UserError, match="files that the study names changed"):
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


def test_what_cannot_work_is_told_before_anything_starts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each victim is looked at once, and all that are wrong are named."""
    monkeypatch.setattr("backend.preview.rewritten_here", lambda trigger, seed, texts: [None for _ in texts])
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


def test_names_are_no_formulas_and_no_commands(store: Store, fake_engine: None) -> None:
    defenses = {"=1+1": {"baseline": "ft"}, "[AG]": {"baseline": "fth"}}
    record = records.current(
        store, parse_study(GRID | {"defenses": defenses, "victims": {"*": GRID["victims"]["rare"]}})
    )
    assert "\n*,'=1+1,1," in exports.as_csv(record)
    assert "\n{}* & {}[AG] & " in exports.as_latex(record)


def test_files_of_a_study_say_what_failed_and_stand_beside_the_floor(
    store: Store, fake_engine: None, tmp_path: Path
) -> None:
    record = records.current(store, parse_study(GRID))
    record, stopped = carry_out_study(store, record, records.wanted_cells(store, record), lambda said: None)
    assert stopped is None
    lines = list(csv.DictReader(io.StringIO(exports.as_csv(record))))
    of = {(line["victim"], line["defense"], line["seed"]): line for line in lines}
    gradient = of["rare", "gradient", "1"]
    assert float(gradient["lfr_never_poisoned"]) == 0.1 and gradient["acc_pruned_alone"] == "0.9"
    assert float(gradient["excess_lfr"]) == pytest.approx(0.5) and gradient["lfr_pruned_alone"] == "0.8"
    assert of["style", "FT", "2"]["error"] == "The style | is 50% gone."
    assert of["style", "FT", "2"]["excess_lfr"] == ""
    said = "Failed: style · honest, seed 2; style · FT, seed 2; style · gradient, seed 2. The style"
    assert f"- {said} \\| is 50% gone." in exports.as_markdown(record)
    assert f"% {said} | is 50% gone." in exports.as_latex(record)


def test_scores_that_differ_by_rounding_alone_are_told(store: Store) -> None:
    """As the published gradient score: whole layers go, in an order that rounding decides."""
    study = parse_study(GRID | {"seeds": [1]})
    record = records.read_study_record(store, records.register(store, study))
    order = [(layer, head) for layer in (1, 0) for head in range(4)]
    scored = {
        "gradient": ([[0.25] * 4, [0.25 - 1e-8] * 4], "backtrack", order),
        "FT": ([[0.1, 0.2, 0.3, 0.4], [0.15, 0.25, 0.35, 0.45]], "none", order),
    }
    for cell in cells(study):
        if cell.victim != "rare" or cell.defense not in scored:
            continue
        lease = hold(store, record, cell)
        scores, guardrail, order = scored[cell.defense]
        named = {"strategy": "gradient", "layers": 2, "heads": 4, "guardrail": guardrail}
        leases.append(store, lease, HeadScores(run=lease.run, scores=scores, order=order, **named))
        end = RunFinished(run=lease.run, state="done", pruned_heads=[(1, 0), (1, 1), (1, 2)])
        leases.finish(store, lease, end)
    found = results.heads_of(store, records.read_study_record(store, record.id), "rare", 1)
    at_once, tied = found
    assert results.in_words(at_once).replace("\u00a0", " ") == "3 heads, all at once"
    assert (
        results.in_words(tied).replace("\u00a0", " ")
        == "3 heads, layer by layer, in an order that rounding decides"
    )
    assert results.remarks(found) == [
        "gradient: all heads score alike but for rounding, so whole layers go in an order that rounding "
        "decides. It emptied 1 of 2 layers but for the head that each keeps."
    ]
    numbers = figures.pruned_heads(tied).data[0].text
    assert list(map(list, numbers)) == [["5", "6", "7", "8"], ["1", "2", "3", "4"]]


def test_one_seed_has_no_deviation_and_none_no_figure() -> None:
    assert results.cell_text(results.figure([0.5, None])) == "50.0 (1 seed)"
    assert results.cell_text(results.figure([None])) == "–"
    found = results.figure([0.1, 0.2, 0.3])
    assert found.deviation == pytest.approx(0.1)
    # Student's t for 2 degrees of freedom is 4.303.
    assert found.high - found.mean == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-3)


def test_lfr_before_and_after_stands_in_a_line_for_each_defense() -> None:
    def row(defense: str, lfr: float, before: float | None) -> results.Row:
        known = [
            results.figure([value, value - 0.1]) if value is not None else None for value in (lfr, before)
        ]
        acc = results.figure([0.9])
        return results.Row("v", defense, acc, known[0], acc, known[0], None, None, known[1], 1, 1, {}, [])

    before, after = figures.lfr_of_defenses([row("FT", 0.9, None), row("<b>odd</b>", 0.2, 0.6)]).data[:2]
    assert after.y == (0, 1) and after.x == pytest.approx((85, 15))
    assert before.y == (1,) and before.x == pytest.approx((55,)), "which FT has not"
    left, right = after.error_x.arrayminus, after.error_x.array
    assert right[0] == pytest.approx(15) and left[1] == pytest.approx(15), "no interval leaves 0 to 100"
    axis = figures.lfr_of_defenses([row("<b>odd</b>", 0.2, 0.6)]).layout.yaxis
    assert axis.ticktext == ("&lt;b&gt;odd&lt;/b&gt; · 90.0",)
