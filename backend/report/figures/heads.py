"""Figures of the Heads page: what heads do, and how far strategies agree.  Data in, plotly out."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from backend.analysis.head_effects import Effects, Kind, Measure
from backend.base.events import Head
from backend.base.numbers import with_interval
from backend.report.figures.run import LFR, finish, ticks

CHOSEN = "#E69F00"
DIVERGING = [[0.0, "#0072B2"], [0.5, "#F2F2F2"], [1.0, "#D55E00"]]
"""Blue falls, vermilion rises: Okabe and Ito's, with a neutral middle."""


def changes(
    effects: Effects, shape: tuple[int, int], measure: Measure, kind: Kind
) -> list[list[float | None]]:
    """The change of a share, in points, by switching off (or restoring) each head of such a model."""
    before = effects.base(kind)
    base = None if before is None else getattr(before, measure)
    grid: list[list[float | None]] = []
    for layer in range(shape[0]):
        heads = [effects.of_head((layer, head), kind) for head in range(shape[1])]
        values = [None if effect is None else getattr(effect, measure) for effect in heads]
        grid.append([None if base is None or value is None else 100 * (value - base) for value in values])
    return grid


def effect_grid(
    effects: Effects,
    shape: tuple[int, int],
    measure: Measure,
    kind: Kind,
    pruned: Sequence[Head] = (),
    chosen: Head | None = None,
) -> go.Figure:
    """What one head alone does to a share; hovering shows the share with its 95 % interval."""
    name = measure.upper()
    every = [(layer, head) for layer in range(shape[0]) for head in range(shape[1])]
    notes = {
        head: f"{name} {with_interval(*effects.rate(effect, measure))}"
        for head in every
        if (effect := effects.of_head(head, kind)) is not None
    }
    title = f"{name} with one head {'switched off' if kind == 'gated' else 'restored'}"
    return change_grid(
        changes(effects, shape, measure, kind), title, f"Change of {name}", pruned, chosen, notes
    )


def change_grid(
    changes: Sequence[Sequence[float | None]],
    title: str,
    what: str,
    pruned: Sequence[Head] = (),
    chosen: Head | None = None,
    more: Mapping[Head, str] | None = None,
) -> go.Figure:
    """A change in percentage points for every head (None: not measured), zero in the middle; crosses where
    heads are pruned, a frame around the chosen one.  Hovering over a head shows `more` about it.

    Hovering and selecting go to markers over the squares, since plotly reports no selection on heatmaps."""
    layers, heads = len(changes), len(changes[0])
    sizes = [abs(value) for row in changes for value in row if value is not None]
    reach = max([*sizes, 1.0])
    figure = go.Figure()
    figure.add_heatmap(
        z=changes,
        zmin=-reach,
        zmax=reach,
        colorscale=DIVERGING,
        xgap=2,
        ygap=2,
        hoverinfo="skip",
        colorbar={"title": {"text": f"{what} (points)", "side": "right"}, "thickness": 12, "outlinewidth": 0},
    )
    size = _mark_size((layers, heads))
    gone = set(pruned)
    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    notes = [
        _note(changes[layer][head], what, (layer, head), gone, (more or {}).get((layer, head)))
        for layer, head in every
    ]
    _marks(figure, every, {"symbol": "square", "size": 2 * size, "opacity": 0}, "Head", notes, legend=False)
    cross = {"symbol": "x", "size": size - 2, "color": "#1B2733", "line": {"color": "#FFFFFF", "width": 1.5}}
    _marks(figure, sorted(gone), cross, f"Pruned ({len(gone)})")
    frame(figure, (layers, heads), chosen)
    axis = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(title="Head", range=[-0.5, heads - 0.5], dtick=ticks(heads), **axis)
    figure.update_yaxes(
        title="Layer (0 is nearest the input)", range=[-0.5, layers - 0.5], dtick=ticks(layers), **axis
    )
    return finish(figure, title, max(420, 22 * layers + 150))


def frame(figure: go.Figure, shape: tuple[int, int], chosen: Head | None) -> None:
    """A frame around the chosen head (None: no frame) on a grid of `shape`; its dark edge sets it
    off from every colour of a square."""
    if chosen is None:
        return
    square = {"symbol": "square-open", "size": 2 * _mark_size(shape)}
    edge = square | {"color": "#1B2733", "line": {"width": 6}}
    _marks(figure, [chosen], edge, "Edge", legend=False)
    inner = square | {"color": CHOSEN, "line": {"width": 3}}
    _marks(figure, [chosen], inner, f"Layer {chosen[0]}, head {chosen[1]}")


def _mark_size(shape: tuple[int, int]) -> int:
    return 11 if max(shape) <= 16 else 7


def _note(change: float | None, what: str, head: Head, gone: set[Head], more: str | None) -> str:
    text = "not measured" if change is None else f"{what} {change:+.1f} points"
    text += f"<br>{more}" if more else ""
    state = "<br>pruned by this run" if head in gone else ""
    return f"<b>Layer {head[0]}, head {head[1]}</b><br>{text}{state}"


def _marks(
    figure: go.Figure,
    heads: Sequence[Head],
    marker: dict[str, object],
    name: str,
    notes: Sequence[str] | None = None,
    legend: bool = True,
) -> None:
    figure.add_scatter(
        x=[head for _, head in heads],
        y=[layer for layer, _ in heads],
        customdata=heads,
        text=notes,
        mode="markers",
        marker=marker,
        name=name,
        showlegend=legend,
        hovertemplate="%{text}<extra></extra>" if notes else None,
        hoverinfo=None if notes else "skip",
    )


def pair_grid(
    shares: Float[np.ndarray, "one other"], names: Sequence[str], title: str, what: str, low: float
) -> go.Figure:
    """A number (`what`) for every pair of strategies, from `low` to 1, written in its square."""
    labels = [html.escape(name) for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=labels,
            y=labels,
            zmin=low,
            zmax=1,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            texttemplate="%{z:.2f}",
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
            colorbar={"title": {"text": what, "side": "right"}, "thickness": 12, "outlinewidth": 0},
        )
    )
    figure.update_xaxes(showgrid=False, tickangle=-30)
    figure.update_yaxes(showgrid=False, autorange="reversed")
    return finish(figure, title, 200 + 44 * len(names))


def effect_against_rank(
    ranks: Sequence[float], change: Sequence[float], heads: Sequence[Head], pruned: Sequence[Head], what: str
) -> go.Figure:
    """Each head's rank against the change when it alone is switched off: a strategy that finds the heads
    that carry the backdoor has them on the left."""
    gone = set(pruned)
    figure = go.Figure()
    for name, colour, symbol, is_pruned in (
        ("Kept", "#8A929A", "circle", False),
        ("Pruned", LFR, "x", True),
    ):
        indices = [i for i, head in enumerate(heads) if (head in gone) == is_pruned]
        figure.add_scatter(
            x=[ranks[i] + 1 for i in indices],
            y=[change[i] for i in indices],
            customdata=[heads[i] for i in indices],
            name=f"{name} ({len(indices)})",
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=(
                f"layer %{{customdata[0]}}, head %{{customdata[1]}}<br>rank %{{x}}, {what} "
                "%{y:+.1f} points<extra></extra>"
            ),
        )
    figure.add_hline(y=0, line={"color": "#8A929A", "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Rank (1 is pruned first)", rangemode="tozero")
    figure.update_yaxes(title=f"Change of {what} when switched off alone (points)")
    question = (
        "find the heads that carry the backdoor" if what == "LFR" else f"spare the heads that {what} needs"
    )
    return finish(figure, f"Does the order {question}?", 420)
