"""Figures of what heads attend to.  Data in, plotly out."""

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float

from backend.base.events import Head
from backend.report.figures.heads import DIVERGING, frame
from backend.report.figures.run import finish, ticks

SLANTED = 24
"""More names than these would overlap on a narrow screen, unless they stand upright."""


def reach(shares: Float[np.ndarray, "row token"]) -> float:
    """The end of a scale for them, in percent: [CLS] and [SEP] draw most attention, so it is for what lies
    between them."""
    return max(100 * float(np.abs(shares[:, 1:-1]).max(initial=0)), 1.0)


def token_grid(
    shares: Float[np.ndarray, "row token"],
    rows: Sequence[str],
    tokens: Sequence[str],
    changed: Bool[np.ndarray, " token"],
    title: str,
    axes: tuple[str, str],
    reach: float,
    difference: bool = False,
) -> go.Figure:
    """Attention (percent) of each row on each token, on a scale up to `reach`; changed tokens are marked in
    the axis.  A difference is in points around zero."""
    percent = 100 * shares
    unit = "points" if difference else "%"
    figure = go.Figure(
        go.Heatmap(
            z=percent,
            zmin=-reach if difference else 0,
            zmax=reach,
            colorscale=DIVERGING if difference else "Cividis",
            xgap=1,
            ygap=1,
            customdata=[[[html.escape(row), html.escape(token)] for token in tokens] for row in rows],
            hovertemplate=f"%{{customdata[0]}} → %{{customdata[1]}}<br>%{{z:.1f}} {unit}<extra></extra>",
            colorbar={"title": {"text": f"Attention ({unit})", "side": "right"}, "thickness": 12},
        )
    )
    names = [_mark(token, is_new) for token, is_new in zip(tokens, changed, strict=True)]
    figure.update_xaxes(
        title=axes[0],
        tickvals=list(range(len(tokens))),
        ticktext=names,
        tickangle=-60 if len(tokens) <= SLANTED else -90,
        showgrid=False,
    )
    every = max(1, len(rows) // 24)
    figure.update_yaxes(
        title=axes[1],
        tickvals=list(range(0, len(rows), every)),
        ticktext=[html.escape(row) for row in rows][::every],
        autorange="reversed",
        showgrid=False,
    )
    return finish(figure, title, min(760, 230 + 22 * len(rows)))


def _mark(token: str, changed: bool) -> str:
    name = html.escape(token)
    return f"<b>▸{name}</b>" if changed else name


def mass_grid(
    shares: Float[np.ndarray, "layer head"], title: str, what: str, pruned: Sequence[Head], chosen: Head
) -> go.Figure:
    """A share of attention (percent) for every head, with crosses on the pruned ones and a frame around the
    chosen one.  Selecting goes to markers over the squares."""
    layers, heads = shares.shape
    figure = go.Figure(
        go.Heatmap(
            z=100 * shares,
            zmin=0,
            zmax=max(1.0, 100 * float(shares.max())),
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            colorbar={"title": {"text": f"{what} (%)", "side": "right"}, "thickness": 12},
        )
    )
    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    figure.add_scatter(
        x=[head for _, head in every],
        y=[layer for layer, _ in every],
        customdata=[[layer, head, 100 * shares[layer, head]] for layer, head in every],
        mode="markers",
        marker={"symbol": "square", "size": 20, "opacity": 0},
        hovertemplate="layer %{customdata[0]}, head %{customdata[1]}: %{customdata[2]:.1f} %<extra></extra>",
        showlegend=False,
    )
    gone = [head for head in every if head in set(pruned)]
    figure.add_scatter(
        x=[head for _, head in gone],
        y=[layer for layer, _ in gone],
        mode="markers",
        marker={"symbol": "x", "size": 8, "color": "#FFFFFF", "line": {"color": "#1B2733", "width": 1}},
        name=f"Pruned ({len(gone)})",
        hoverinfo="skip",
    )
    frame(figure, (layers, heads), chosen)
    figure.update_xaxes(title="Head", range=[-0.5, heads - 0.5], dtick=ticks(heads), showgrid=False)
    figure.update_yaxes(
        title="Layer (0 is nearest the input)",
        range=[-0.5, layers - 0.5],
        dtick=ticks(layers),
        showgrid=False,
    )
    return finish(figure, title, max(420, 22 * layers + 150))
