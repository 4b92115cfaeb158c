"""Figures: pure functions from a run's events to plotly, readable on light and on dark backgrounds.

Colours are Okabe and Ito's, importance is cividis: both work for colour-blind readers.  Text takes
the page's own colour, so figures set none."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from backend.base.events import Head, HeadScores, Interval, Metrics, ModelName, PruningStep, title_of
from backend.base.numbers import GAP, interval, percent

ACC, LFR, VALIDATION, TAU = "#2F86C5", "#D55E00", "#009E73", "#8A929A"
FLOOR = "#CC79A7"
SIGNS = {"circle": "●", "diamond": "◆", "square": "■"}
"""Marker symbols as letters."""

Line = tuple[str, str, str, list[float | None]]
"""Name, colour, marker symbol and the shares of one line of the curve."""


def pruning_curve(steps: Sequence[PruningStep], upto: int | None = None) -> go.Figure:
    """ACC, LFR and validation accuracy in percent against heads pruned, with τ as a line.

    With `upto` only so many steps are drawn, on the axes of all."""
    figure = go.Figure()
    reach = max([step.pruned_total + len(step.restored) for step in steps], default=0)
    steps = steps[:upto]
    lines: list[Line] = [
        ("ACC, test", ACC, "circle", [step.acc for step in steps]),
        ("Accuracy, validation", VALIDATION, "diamond", [step.val_acc for step in steps]),
    ]
    if any(step.lfr is not None for step in steps):
        lines.append(("LFR, triggered test", LFR, "square", [step.lfr for step in steps]))
    x = [step.pruned_total for step in steps]
    for name, colour, symbol, shares in lines:
        figure.add_scatter(
            x=x,
            y=[None if share is None else 100 * share for share in shares],
            customdata=[[step.step, percent(share)] for step, share in zip(steps, shares, strict=True)],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"color": colour, "size": 7, "symbol": symbol},
            hovertemplate=(
                f"{name}: %{{customdata[1]}}<br>step %{{customdata[0]}}, %{{x}} heads pruned<extra></extra>"
            ),
        )
    if steps:
        _add_threshold(figure, steps[-1].threshold, 1.16 * max(reach, 8))
        shown = max(step.pruned_total + len(step.restored) for step in steps)
        _add_label(figure, lines, shown if upto else reach, 100 * steps[-1].threshold)
    _add_restored(figure, steps)
    figure.update_xaxes(
        title="Heads pruned", range=[-0.3, max(reach, 8) * 1.16], rangemode="tozero", dtick=ticks(reach)
    )
    figure.update_yaxes(title="Share of rows (%)", range=[-3, 104], ticksuffix=" %", dtick=20)
    title = "Accuracy and label flip rate while heads are pruned"
    finish(figure, title if len(lines) > 2 else "Accuracy while heads are pruned", 470)
    return figure.update_layout(margin_r=28)  # the last values stand partly in it on a narrow page


def _add_threshold(figure: go.Figure, threshold: float, reach: float) -> None:
    figure.add_scatter(
        x=[0, reach],
        y=[100 * threshold] * 2,
        name=f"Guardrail τ = {percent(threshold)}",
        mode="lines",
        line={"color": TAU, "width": 2, "dash": "dash"},
        hoverinfo="skip",
    )


def _add_label(figure: go.Figure, lines: Sequence[Line], x: float, threshold: float) -> None:
    """The last value at the end of each line, pushed apart where they would overlap, and off the line of τ.

    The line's mark stands before it: numbers in its colour would be too faint to read."""
    ends = sorted(
        (100 * shares[-1], colour, SIGNS[symbol])
        for _, colour, symbol, shares in lines
        if shares[-1] is not None
    )
    heights: list[float] = []
    for value, _, _ in ends:
        height = max(value, heights[-1] + 7.5) if heights else value
        heights.append(threshold + 4 if abs(height - threshold) < 4 else height)
    excess = max(0.0, heights[-1] - 99) if heights else 0.0
    for (value, colour, sign), height in zip(ends, heights, strict=True):
        figure.add_annotation(
            x=x,
            y=height - excess,
            text=f'<span style="color:{colour}">{sign}</span> <b>{percent(value / 100)}</b>',
            showarrow=False,
            xanchor="left",
            xshift=9,
            font={"size": 12},
        )


def _add_restored(figure: go.Figure, steps: Sequence[PruningStep]) -> None:
    """The steps that fell below τ: where validation accuracy would have gone."""
    tried = [step for step in steps if step.restored]
    if not tried:
        return
    figure.add_scatter(
        x=[step.pruned_total + len(step.restored) for step in tried],
        y=[100 * step.tried_val_acc for step in tried],
        customdata=[[step.step, len(step.restored), percent(step.tried_val_acc)] for step in tried],
        name="Tried, below τ: heads restored",
        mode="markers",
        marker={
            "color": VALIDATION,
            "size": 12,
            "symbol": "x-thin",
            "line": {"color": VALIDATION, "width": 3},
        },
        hovertemplate=(
            "Step %{customdata[0]} tried: validation %{customdata[2]}<br>"
            "%{customdata[1]} heads restored<extra></extra>"
        ),
    )


def head_grid(scores: HeadScores | None, steps: Sequence[PruningStep] = ()) -> go.Figure:
    """Every head as a square: its importance as colour, a cross where pruned, a ring where restored.

    Hovering and selecting go to markers over the squares, since plotly reports no selection on heatmaps."""
    figure = go.Figure()
    title = "Importance of each attention head"
    if scores is None:
        figure.add_annotation(text="Heads have no scores yet", showarrow=False, font={"size": 14})
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        return finish(figure, title, 440)
    pruned = {head: step.step for step in steps for head in step.pruned}
    restored = {head: step.step for step in steps for head in step.restored}
    heads = [(layer, head) for layer in range(scores.layers) for head in range(scores.heads)]
    rank = {head: number for number, head in enumerate(scores.order, start=1)}
    notes = {head: _note(scores, head, rank, pruned, restored) for head in heads}
    mark = 11 if max(scores.layers, scores.heads) <= 16 else 7
    _add_squares(figure, scores)
    touch = {"symbol": "square", "size": 2 * mark, "opacity": 0}
    _add_heads(figure, heads, "Head", touch, notes, legend=False)
    left_out = [head for head in heads if _score(scores, head) is None]
    if left_out:
        marker = {"symbol": "square-open", "size": mark, "color": TAU}
        _add_heads(figure, left_out, "Never a candidate", marker, notes)
    cross = {"symbol": "x", "size": mark, "color": LFR, "line": {"color": "#FFFFFF", "width": 1.5}}
    _add_heads(figure, sorted(pruned), "Pruned", cross, notes)
    ring = {"symbol": "circle", "size": mark, "color": "#FFFFFF", "line": {"color": "#1B2733", "width": 2}}
    _add_heads(figure, sorted(restored), "Tried and restored", ring, notes)
    axis = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(title="Head", range=[-0.5, scores.heads - 0.5], dtick=ticks(scores.heads), **axis)
    figure.update_yaxes(
        title="Layer (0 is nearest the input)",
        range=[-0.5, scores.layers - 0.5],
        dtick=ticks(scores.layers),
        **axis,
    )
    return finish(figure, title, max(440, 22 * scores.layers + 150))


def _add_squares(figure: go.Figure, scores: HeadScores) -> None:
    low, high = _colour_range([value for row in scores.scores for value in row if value is not None])
    figure.add_heatmap(
        z=scores.scores,
        zmin=low,
        zmax=high,
        colorscale="Cividis",
        xgap=2,
        ygap=2,
        hoverinfo="skip",
        colorbar={
            "title": {"text": "Importance", "side": "right"},
            "tickvals": [low, high],
            "ticktext": ["low", "high"],
            "thickness": 12,
            "outlinewidth": 0,
        },
    )


def _add_heads(
    figure: go.Figure,
    heads: Sequence[Head],
    name: str,
    marker: dict[str, Any],
    notes: dict[Head, str],
    legend: bool = True,
) -> None:
    # Present even when empty, so that the legend explains the marks before the first one appears.
    nowhere: list[int | None] = [None]
    figure.add_scatter(
        x=[head for _, head in heads] or nowhere,
        y=[layer for layer, _ in heads] or nowhere,
        text=[notes[head] for head in heads] or [""],
        customdata=heads,
        name=f"{name} ({len(heads)})",
        showlegend=legend,
        mode="markers",
        marker=marker,
        hovertemplate="%{text}<extra></extra>",
    )


def metric_bars(metrics: dict[ModelName, Metrics]) -> go.Figure:
    """ACC, LFR and the clean flip rate of each model in percent, with Wilson 95 % intervals."""
    figure = go.Figure()
    rows: list[tuple[str, str, str, float, Interval]] = []
    for name, rates in metrics.items():
        for label, colour, share, bounds in (
            ("ACC", ACC, rates.acc, rates.acc_interval),
            ("LFR", LFR, rates.lfr, rates.lfr_interval),
            ("Floor", FLOOR, rates.clean_flip_rate, rates.clean_flip_rate_interval),
        ):
            if share is not None:
                rows.append((title_of(name), label, colour, share, bounds or (share, share)))
    places = [[row[0] for row in rows], [row[1] for row in rows]]
    shares = [100 * row[3] for row in rows]
    highs = [100 * row[4][1] for row in rows]
    figure.add_bar(
        y=places,
        x=shares,
        orientation="h",
        marker={"color": [row[2] for row in rows]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - share for high, share in zip(highs, shares, strict=True)],
            "arrayminus": [share - 100 * row[4][0] for row, share in zip(rows, shares, strict=True)],
            "color": TAU,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[[percent(row[3]), interval(row[4])] for row in rows],
        hovertemplate="%{y}: %{customdata[0]}<br>95 % interval %{customdata[1]}<extra></extra>",
        showlegend=False,
    )
    # The numbers stand behind the intervals, in the page's own text colour.
    figure.add_scatter(
        y=places,
        x=highs,
        mode="text",
        text=[f"{GAP}{percent(row[3])}" for row in rows],
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(
        title="Share of rows (%)", range=[0, 114], ticksuffix=" %", tickvals=[0, 20, 40, 60, 80, 100]
    )
    figure.update_yaxes(autorange="reversed")
    return finish(figure, "Each model on held-out rows, with 95 % intervals", 130 + 26 * len(rows))


def _score(scores: HeadScores, head: Head) -> float | None:
    return scores.scores[head[0]][head[1]]


def _note(
    scores: HeadScores, head: Head, rank: dict[Head, int], pruned: dict[Head, int], restored: dict[Head, int]
) -> str:
    score = _score(scores, head)
    parts = [f"<b>Layer {head[0]}, head {head[1]}</b>"]
    parts.append("no score" if score is None else f"importance {score:.3g}")
    parts.append(
        f"rank {rank[head]} of {len(rank)} in the pruning order" if head in rank else "never a candidate"
    )
    if head in pruned:
        parts.append(f"pruned in step {pruned[head]}")
    if head in restored:
        parts.append(f"tried in step {restored[head]} and restored")
    return "<br>".join(parts)


def _colour_range(values: list[float]) -> tuple[float, float]:
    """From the 5th to the 95th percentile, so that one extreme head does not flatten all others."""
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    last = len(ordered) - 1
    low, high = ordered[round(0.05 * last)], ordered[round(0.95 * last)]
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def ticks(reach: int) -> int:
    """The distance between ticks on an axis that reaches so far."""
    return next(step for step in (1, 2, 4, 10, 20, 50, 100, 1000) if reach <= 12 * step or step == 1000)


def finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    """`figure` with the layout that all figures share."""
    figure.update_layout(
        title={"text": title, "font": {"size": 16}, "x": 0, "xanchor": "left"},
        height=height,
        margin={"l": 10, "r": 10, "t": 48, "b": 10},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0, "xanchor": "left"},
        hoverlabel={"align": "left"},
        # The same revision each second keeps a reader's zoom while points arrive.
        uirevision="keep",
    )
    return figure


def finish_named(figure: go.Figure, title: str) -> go.Figure:
    """`finish` for a figure whose traces may be many: their names below it do not make it lower."""
    longest = max((len(trace.name) for trace in figure.data), default=0)
    columns = 2 if longest <= 31 else 1  # what fits side by side on a narrow page
    names = 20 + 20 * -(-len(figure.data) // columns)
    finish(figure, title, 460 + names)
    columned = {"entrywidth": 1 / columns, "entrywidthmode": "fraction", "maxheight": names}
    at_the_bottom = {"yref": "container", "y": 0, "yanchor": "bottom"}
    return figure.update_layout(legend=columned | at_the_bottom, margin={"b": 40 + names})
