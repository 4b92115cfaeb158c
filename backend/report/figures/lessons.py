"""Figures of the lessons.  Data in, plotly out."""

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.base.events import Metrics
from backend.report.figures.run import ACC, FLOOR, LFR, finish


def tries(names: Sequence[str], metrics: Sequence[Metrics], title: str, axis: str) -> go.Figure:
    """ACC, LFR and floor (percent, with 95 % intervals) of each try, in the order given."""
    figure = go.Figure()
    lines = (
        ("ACC", ACC, "circle", [(model.acc, model.acc_interval) for model in metrics]),
        ("LFR", LFR, "square", [(model.lfr, model.lfr_interval) for model in metrics]),
        (
            "Floor",
            FLOOR,
            "diamond",
            [(model.clean_flip_rate, model.clean_flip_rate_interval) for model in metrics],
        ),
    )
    for name, colour, symbol, values in lines:
        figure.add_scatter(
            x=list(names),
            y=[None if share is None else 100 * share for share, _ in values],
            error_y={
                "type": "data",
                "array": [
                    100 * (bounds[1] - share) if bounds and share is not None else 0
                    for share, bounds in values
                ],
                "arrayminus": [
                    100 * (share - bounds[0]) if bounds and share is not None else 0
                    for share, bounds in values
                ],
                "thickness": 1.2,
            },
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": "dot" if name == "Floor" else "solid"},
            marker={"color": colour, "size": 9, "symbol": symbol},
            hovertemplate=f"{name}: %{{y:.1f}} %<extra></extra>",
        )
    figure.update_xaxes(title=axis, type="category")
    figure.update_yaxes(title="Share of rows (%)", range=[-3, 104], dtick=20)
    return finish(figure, title, 400)
