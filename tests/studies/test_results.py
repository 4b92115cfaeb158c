"""What comes of a study: figures, files, heads."""

import csv
import io
from pathlib import Path

import pytest

from backend.events import HeadScores, Metrics, RunFinished
from backend.runs import leases
from backend.runs.store import Store
from backend.studies import exports, figures, records, results
from backend.studies.foreground import carry_out_study
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
    assert line["acc"] == line["lfr"] == line["excess_lfr"] == ""
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
