"""Figures hold for every amount of data that a run can have."""

import json
import random
import re
from itertools import pairwise

import pytest

from backend.base.events import HeadScores, Metrics, PruningStep
from backend.report.figures.run import head_grid, metric_bars, pruning_curve


def steps(count: int, lfr: bool = True) -> list[PruningStep]:
    return [
        PruningStep(
            run="r",
            step=number,
            pruned=[(number % 12, number // 12)] if number else [],
            restored=[(11, 11)] if number == count - 1 and number else [],
            pruned_total=number,
            tried_val_acc=0.8,
            val_acc=0.9123456,
            acc=0.9,
            lfr=0.7 if lfr else None,
            threshold=0.85,
        )
        for number in range(count)
    ]


def scores(layers: int = 12, heads: int = 12, none: bool = False) -> HeadScores:
    draw = random.Random(1)
    grid: list[list[float | None]] = [[draw.random() for _ in range(heads)] for _ in range(layers)]
    if none:
        grid[0] = [None] * heads
    order = [
        (layer, head) for layer in range(layers) for head in range(heads) if grid[layer][head] is not None
    ]
    return HeadScores(run="r", strategy="gradient", layers=layers, heads=heads, scores=grid, order=order)


def names(figure) -> list[str]:
    return [trace.name for trace in figure.data if trace.name]


@pytest.mark.parametrize("count", [0, 1, 2, 73, 151])
@pytest.mark.parametrize("lfr", [True, False])
def test_the_curve_holds_for_any_number_of_steps(count, lfr):
    figure = pruning_curve(steps(count, lfr))
    text = json.dumps(figure.to_plotly_json(), default=str)
    assert "NaN" not in text and "nan" not in text.lower().replace("standoff", "")
    assert ("LFR, triggered test" in names(figure)) == (lfr and count > 0)


def test_tau_and_restored_steps_are_marked():
    figure = pruning_curve(steps(5))
    assert "Guardrail τ = 85.0\u00a0%" in names(figure)
    tried = next(trace for trace in figure.data if trace.name and trace.name.startswith("Tried"))
    assert list(tried.x) == [5] and list(tried.y) == [80.0]


def test_the_last_values_are_written_at_the_lines_without_overlap():
    labels = pruning_curve(steps(5)).layout.annotations
    assert {re.sub(' style="color:#[0-9A-F]{6}"', "", label.text) for label in labels} == {
        "<span>■</span> <b>70.0\u00a0%</b>",
        "<span>●</span> <b>90.0\u00a0%</b>",
        "<span>◆</span> <b>91.2\u00a0%</b>",
    }
    heights = sorted(label.y for label in labels)
    assert all(high - low >= 7.4 for low, high in pairwise(heights))


def test_no_value_is_written_on_the_line_of_the_guardrail():
    said = steps(5)
    said[-1] = said[-1].model_copy(update={"val_acc": said[-1].threshold + 0.01})
    drawn = pruning_curve(said).layout.annotations
    assert all(abs(label.y - 100 * said[-1].threshold) >= 4 for label in drawn)


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (6, 12), (12, 12), (24, 16), (32, 32)])
def test_the_grid_has_every_head(layers, heads):
    figure = head_grid(scores(layers, heads))
    touch = next(trace for trace in figure.data if trace.name and trace.name.startswith("Head"))
    assert len(touch.x) == layers * heads
    assert [tuple(pair) for pair in touch.customdata][-1] == (layers - 1, heads - 1)


def test_pruned_and_restored_heads_are_marked_apart():
    figure = head_grid(scores(), steps(5))
    assert "Pruned (4)" in names(figure) and "Tried and restored (1)" in names(figure)
    touch = next(trace for trace in figure.data if trace.name and trace.name.startswith("Head"))
    note = touch.text[1 * 12 + 0]
    assert note.startswith("<b>Layer 1, head 0</b>") and "pruned in step 1" in note


def test_heads_without_a_score_are_no_candidates():
    figure = head_grid(scores(none=True))
    assert "Never a candidate (12)" in names(figure)


def test_a_grid_without_scores_says_so():
    assert "no scores yet" in head_grid(None).layout.annotations[0].text


def test_bars_leave_absent_rates_out():
    blind = Metrics(acc=0.916, acc_interval=(0.9, 0.93), test_rows=900)
    known = blind.model_copy(
        update={
            "lfr": 0.0,
            "lfr_interval": (0.0, 0.01),
            "clean_flip_rate": 0.1,
            "clean_flip_rate_interval": (0.08, 0.12),
        }
    )
    assert len(metric_bars({"fine_tuned": blind}).data[0].x) == 1
    bars, labels = metric_bars({"poisoned": known, "fine_tuned": blind}).data
    assert list(bars.y[0]) == ["Poisoned"] * 3 + ["Fine-tuned"]
    assert list(labels.text)[1] == "\u00a00.0\u00a0%"
    assert metric_bars({}).data[0].x == ()
