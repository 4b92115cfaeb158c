"""What comes of a study: figures, files, heads."""

import csv
import io
from pathlib import Path

import pytest

from backend.base.events import HeadScores, Metrics, RunFinished
from backend.report.figures import studies as figures
from backend.runs import leases
from backend.runs.store import Store
from backend.studies import exports, results
from backend.studies import store as records
from backend.studies.foreground import carry_out_study
from backend.studies.significance import Difference, difference_text
from backend.studies.spec import cells, parse_study
from tests.studies.grid import GRID, hold


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


LFR_OF = {
    ("rare", "honest"): {1: 0.10, 2: 0.16},
    ("rare", "FT"): {1: 0.50, 2: 0.60, 3: 0.90},
    ("style", "honest"): {1: 0.20, 2: 0.30, 3: 0.40},
    ("style", "FT"): {1: 0.90, 2: 0.80, 3: 0.70},
}


def test_the_floor_is_that_of_the_same_victim_and_seed(store: Store) -> None:
    study = parse_study(GRID | {"seeds": [1, 2, 3]})
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(study):
        lfr = LFR_OF.get((cell.victim, cell.defense), {}).get(cell.seed)
        if lfr is not None:
            lease = hold(store, record, cell)
            found = {"defended": Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=lfr)}
            leases.finish(store, lease, RunFinished(run=lease.run, state="done", metrics=found))
    record = records.read_study_record(store, record.id)
    lines = [line for line in csv.DictReader(io.StringIO(exports.as_csv(record))) if line["defense"] == "FT"]
    floors = {(line["victim"], line["seed"]): line["lfr_never_poisoned"] for line in lines}
    rare, style = ["0.1", "0.16", ""], ["0.2", "0.3", "0.4"]
    assert floors == dict(zip(floors, rare + style, strict=True)), "the third run of rare has none"
    excess = [float(line["excess_lfr"] or "nan") for line in lines]
    assert excess == pytest.approx([0.4, 0.44, float("nan"), 0.7, 0.5, 0.3], nan_ok=True)
    of = {row.victim: row for row in results.rows(record) if row.defense == "FT"}
    assert (of["rare"].floor.mean, of["style"].floor.mean) == pytest.approx((0.13, 0.3))
    assert (of["rare"].excess.mean, of["rare"].excess.seeds) == (pytest.approx(0.42), 2)
    assert of["rare"].excess.deviation == pytest.approx(0.04 / 2**0.5)
    assert (of["style"].excess.mean, of["style"].excess.deviation) == pytest.approx((0.5, 0.2))


def test_a_run_that_failed_halfway_has_no_result(store: Store) -> None:
    """What it measured is the poisoned model: in a file it would stand as what its defense left."""
    study = parse_study(GRID | {"seeds": [1]})
    record = records.read_study_record(store, records.register(store, study))
    cell = next(cell for cell in cells(study) if cell.place == ("rare", "gradient", 1))
    lease = hold(store, record, cell)
    poisoned = Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=1.0)
    end = RunFinished(run=lease.run, state="failed", error="disk full", metrics={"poisoned": poisoned})
    leases.finish(store, lease, end)
    record = records.read_study_record(store, record.id)
    lines = list(csv.DictReader(io.StringIO(exports.as_csv(record))))
    (line,) = [one for one in lines if one["run"] == lease.run]
    assert (line["state"], line["error"]) == ("failed", "disk full")
    assert line["acc"] == line["lfr"] == line["excess_lfr"] == line["pruned_heads"] == ""
    hovered = [text for trace in figures.study_states(record).data for text in trace.text]
    assert "disk full" in " ".join(hovered) and "LFR" not in " ".join(hovered)


def test_what_was_measured_on_a_sample_has_no_floor(store: Store) -> None:
    """The never-poisoned model's LFR on all rows is not that on ONION's sample of them."""
    defenses = GRID["defenses"] | {"onion": {"baseline": "onion"}}
    study = parse_study(GRID | {"seeds": [1], "defenses": defenses})
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(study):
        if cell.victim == "rare" and cell.defense in ("honest", "FT", "onion"):
            lease = hold(store, record, cell)
            rows = 100 if cell.defense == "onion" else 900
            found = Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=0.5, triggered_rows=rows)
            leases.finish(store, lease, RunFinished(run=lease.run, state="done", metrics={"defended": found}))
    found_rows = results.rows(records.read_study_record(store, record.id))
    of = {row.defense: row for row in found_rows if row.victim == "rare"}
    assert of["FT"].excess is not None and of["FT"].excess.mean == 0.0
    assert of["onion"].lfr is not None and of["onion"].floor is None and of["onion"].excess is None


def test_a_reference_that_errs_more_is_a_doubtful_floor(store: Store) -> None:
    study = parse_study(GRID | {"seeds": [1]})
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(study):
        lease = hold(store, record, cell)
        poor = (cell.victim, cell.defense) == ("style", "honest")
        acc, interval = (0.6, (0.55, 0.65)) if poor else (0.9, (0.88, 0.92))
        found = Metrics(acc=acc, acc_interval=interval, test_rows=400, lfr=0.5)
        leases.finish(store, lease, RunFinished(run=lease.run, state="done", metrics={"defended": found}))
    record = records.read_study_record(store, record.id)
    (doubt,) = results.doubtful_floors(record)
    assert doubt.startswith("style: ") and "not a reliable floor" in doubt
    assert " ".join(doubt.split()) in exports.as_markdown(record)


def test_pruned_alone_is_told_of_what_pruned_a_head(store: Store) -> None:
    study = parse_study(GRID | {"seeds": [1]})
    record = records.read_study_record(store, records.register(store, study))
    found = Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=0.5)
    for cell in cells(study):
        lease = hold(store, record, cell)
        heads = [(0, 1)] if cell.defense == "gradient" else []
        metrics = {"fine_tuned": found, "pruned": found, "defended": found}
        end = RunFinished(run=lease.run, state="done", metrics=metrics, pruned_heads=heads)
        leases.finish(store, lease, end)
    table = results.table(results.rows(records.read_study_record(store, record.id)))
    assert {row["Defense"]: row["LFR, pruned alone"] for row in table} == {
        "honest": "–",
        "FT": "–",
        "gradient": "50.0 (1 seed)",
    }


def test_no_number_is_less_than_nothing_by_rounding() -> None:
    assert results.cell_text(results.Mean(-0.0004, 0.001, -0.004, 0.004, 2)) == "0.0 ± 0.1 (0 to 0)"
    assert difference_text(Difference(-0.0004, -0.0004, 0.02, 1.0, 1)) == "+0.0 (+0.0 to +2.0)"


def test_a_defense_that_took_no_head_is_told(store: Store) -> None:
    study = parse_study(
        GRID | {"seeds": [1], "defenses": GRID["defenses"] | {"idle": {"strategy": "bayesian"}}}
    )
    record = records.read_study_record(store, records.register(store, study))
    metrics = {"defended": Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=0.5)}
    for cell in cells(study):
        lease = hold(store, record, cell)
        heads = [(0, 1)] if cell.defense == "gradient" else []
        end = RunFinished(run=lease.run, state="done", metrics=metrics, pruned_heads=heads)
        leases.finish(store, lease, end)
    assert results.took_nothing(records.read_study_record(store, record.id), "rare") == ["idle"]


def test_scores_that_differ_by_rounding_alone_are_told(store: Store) -> None:
    """As the published gradient score: whole layers are pruned, in an order decided by rounding."""
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
        == "3 heads, layer by layer, in an order decided by rounding"
    )
    assert results.remarks(found) == [
        "gradient: all scores are equal up to rounding, so whole layers are pruned in an order decided by "
        "rounding. It emptied 1 of 2 layers except for one head each."
    ]
    numbers = figures.pruned_heads(tied).data[0].text
    assert list(map(list, numbers)) == [["5", "6", "7", "8"], ["1", "2", "3", "4"]]


def test_one_seed_has_no_deviation_and_none_no_figure() -> None:
    assert results.cell_text(results.mean_of([0.5, None])) == "50.0 (1 seed)"
    assert results.cell_text(results.mean_of([None])) == "–"
    found = results.mean_of([0.1, 0.2, 0.3])
    assert found.deviation == pytest.approx(0.1)
    # Student's t for 2 degrees of freedom is 4.303.
    assert found.high - found.mean == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-3)


def test_lfr_before_and_after_stands_in_a_line_for_each_defense() -> None:
    def row(defense: str, lfr: float, before: float | None) -> results.Row:
        known = [
            results.mean_of([value, value - 0.1]) if value is not None else None for value in (lfr, before)
        ]
        acc = results.mean_of([0.9])
        return results.Row("v", defense, acc, known[0], acc, known[0], None, None, known[1], 1, 1, {}, [])

    before, after = figures.lfr_of_defenses([row("FT", 0.9, None), row("<b>odd</b>", 0.2, 0.6)]).data[:2]
    assert after.y == (0, 1) and after.x == pytest.approx((85, 15))
    assert before.y == (1,) and before.x == pytest.approx((55,)), "which FT has not"
    left, right = after.error_x.arrayminus, after.error_x.array
    assert right[0] == pytest.approx(15) and left[1] == pytest.approx(15), "no interval leaves 0 to 100"
    axis = figures.lfr_of_defenses([row("<b>odd</b>", 0.2, 0.6)]).layout.yaxis
    assert axis.ticktext == ("&lt;b&gt;odd&lt;/b&gt; · 90.0",)
