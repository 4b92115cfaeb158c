"""Figures of several runs together.  Data in, plotly out; user text is escaped, since plotly reads labels
as markup."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int

from backend.base.events import Interval, PruningStep
from backend.base.numbers import interval, percent
from backend.report.comparison import PUBLISHED, Compared, pareto_front
from backend.report.figures.run import TAU, finish, finish_named, ticks

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "pentagon")


def mark(number: int) -> dict[str, Any]:
    """A colour and a symbol for the run of that number: none is shown by colour alone."""
    return {"color": COLOURS[number % len(COLOURS)], "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 11}


def scatter(runs: Sequence[Compared], published: bool = False) -> go.Figure:
    """ACC against LFR with 95 % intervals, a line through the runs that no other beats, and the paper's
    results where asked for."""
    figure = go.Figure()
    measured = [run for run in runs if run.lfr is not None]
    points = [(100 * (run.lfr or 0.0), 100 * run.acc) for run in measured]
    front = [points[i] for i in pareto_front(points)]
    if len(front) > 1:
        figure.add_scatter(
            x=[lfr for lfr, _ in front],
            y=[acc for _, acc in front],
            name="Pareto front",
            mode="lines",
            line={"color": TAU, "dash": "dot", "shape": "hv"},
            hoverinfo="skip",
        )
    for number, (run, (lfr, acc)) in enumerate(zip(measured, points, strict=True)):
        acc_text = f"ACC {percent(run.acc)} ({interval(run.acc_interval)})"
        figure.add_scatter(
            x=[lfr],
            y=[acc],
            error_x=_error(lfr, run.lfr_interval),
            error_y=_error(acc, run.acc_interval),
            name=html.escape(run.title),
            mode="markers",
            marker=mark(number),
            hovertemplate=(
                f"<b>{html.escape(run.title)}</b><br>{acc_text}<br>"
                f"LFR {percent(run.lfr)} ({interval(run.lfr_interval)})<extra></extra>"
            ),
        )
    if published:
        figure.add_scatter(
            x=[100 * result.lfr for result in PUBLISHED],
            y=[100 * result.acc for result in PUBLISHED],
            text=[result.title for result in PUBLISHED],
            name="The paper's (BERT-base, SST-2; not run here)",
            mode="markers",
            marker={"color": TAU, "symbol": "star-open", "size": 14, "line": {"width": 2}},
            hovertemplate="<b>%{text}</b><br>ACC %{y:.2f} %, LFR %{x:.2f} %<extra></extra>",
        )
    figure.update_xaxes(title="LFR (%): lower is better", range=[-2, 102], ticksuffix=" %")
    figure.update_yaxes(title="ACC (%): higher is better", ticksuffix=" %")
    return finish_named(figure, "Accuracy kept, and LFR left")


def _error(share: float, bounds: Interval | None) -> dict[str, Any] | None:
    if bounds is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, 100 * bounds[1] - share)],
        "arrayminus": [max(0.0, share - 100 * bounds[0])],
        "thickness": 1,
        "width": 3,
    }


def curves(steps: Mapping[str, Sequence[PruningStep]], measure: str) -> go.Figure:
    """One measure (`lfr`, `acc` or `val_acc`) of every run against heads pruned, by the runs' titles."""
    titles = {"lfr": "LFR", "acc": "ACC", "val_acc": "Validation accuracy"}
    figure = go.Figure()
    for number, (title, own) in enumerate(steps.items()):
        shares = [getattr(step, measure) for step in own]
        figure.add_scatter(
            x=[step.pruned_total for step in own],
            y=[None if share is None else 100 * share for share in shares],
            name=html.escape(title),
            mode="lines+markers",
            marker=mark(number) | {"size": 7},
            line={"color": mark(number)["color"], "width": 2},
            hovertemplate=f"{html.escape(title)}<br>%{{x}} heads pruned: %{{y:.1f}} %<extra></extra>",
        )
    figure.update_xaxes(title="Heads pruned", rangemode="tozero")
    figure.update_yaxes(title=f"{titles[measure]} (%)", range=[-3, 104], ticksuffix=" %", dtick=20)
    return finish_named(figure, f"{titles[measure]} while heads are pruned")


def pruned_by(counts: Int[np.ndarray, "layer head"], runs: int) -> go.Figure:
    """How many of the runs pruned each head."""
    layers, heads = counts.shape
    figure = go.Figure(
        go.Heatmap(
            z=counts,
            zmin=0,
            zmax=runs,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            hovertemplate=f"layer %{{y}}, head %{{x}}: pruned by %{{z}} of {runs}<extra></extra>",
            colorbar={
                "title": {"text": "Runs", "side": "right"},
                "dtick": max(1, runs // 6),  # whole runs
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    figure.update_xaxes(title="Head", dtick=ticks(heads), showgrid=False, zeroline=False)
    figure.update_yaxes(
        title="Layer (0 is nearest the input)", dtick=ticks(layers), showgrid=False, zeroline=False
    )
    return finish(figure, "How many runs pruned each head", max(420, 22 * layers + 150))
