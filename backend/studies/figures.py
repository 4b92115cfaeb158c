"""Figures of a study: the states of its runs, and ACC against LFR.

User text is escaped: plotly takes labels for markup."""

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.report.comparison_figures import mark
from backend.report.figures import FLOOR, finish
from backend.report.numbers import percent
from backend.studies.records import StudyRecord
from backend.studies.results import Figure, HeadsOf, Row
from backend.studies.spec import Place

MOST_NUMBERED = 150
# Okabe and Ito's colours, and a symbol each: no state is told by colour alone.
STATE_MARKS = {
    "done": ("Done", "#009E73", "square"),
    "running": ("Running", "#2F86C5", "diamond"),
    "queued": ("Queued", "#56B4E9", "circle"),
    "failed": ("Failed", "#D55E00", "x"),
    "cancelled": ("Cancelled", "#E69F00", "triangle-up"),
    "waiting": ("Without a run", "#8A929A", "square-open"),
}


def study_states(record: StudyRecord) -> go.Figure:
    """Every run as a mark: defenses across, victims with their seeds down."""
    figure = go.Figure()
    seeds = list(dict.fromkeys(record.study.seeds))
    defenses = list(record.study.defenses)
    lines = [(victim, seed) for victim in record.study.victims for seed in seeds]
    by_state: dict[str, list[Place]] = {}
    for place in record.places:
        run = record.runs.get(place)
        by_state.setdefault(run.state if run else "waiting", []).append(place)
    for state, (title, colour, symbol) in STATE_MARKS.items():
        if state not in by_state:
            continue
        cells = by_state[state]
        figure.add_scatter(
            x=[defenses.index(defense) for _, defense, _ in cells],
            y=[lines.index((victim, seed)) for victim, _, seed in cells],
            customdata=cells,
            text=[_note(record, place) for place in cells],
            name=f"{title} ({len(cells)})",
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 15},
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(
        tickvals=list(range(len(defenses))),
        ticktext=[html.escape(name) for name in defenses],
        tickangle=-40,
        range=[-0.6, len(defenses) - 0.4],
        side="top",
        ticklabeloverflow="allow",
    )
    figure.update_yaxes(
        tickvals=list(range(len(lines))),
        ticktext=[html.escape(f"{victim}, seed {seed}") for victim, seed in lines],
        range=[len(lines) - 0.4, -0.6],
    )
    finish(figure, "", 190 + 26 * len(lines))
    figure.update_layout(legend={"y": -0.08}, margin={"t": 120, "r": 70})
    return figure


def _note(record: StudyRecord, place: Place) -> str:
    victim, defense, seed = place
    said = [f"<b>{html.escape(victim)} · {html.escape(defense)}</b>, seed {seed}"]
    run = record.runs.get(place)
    metrics = run.final_metrics if run else None
    if metrics is not None:
        said.append(f"ACC {percent(metrics.acc)}, LFR {percent(metrics.lfr)}")
    if run is not None and run.summary is not None and run.summary.error:
        said.append(html.escape(run.summary.error[:160]))
    return "<br>".join(said)


def pruned_heads(found: Sequence[HeadsOf], across: int = 4) -> go.Figure:
    """A small grid for each defense, the pruned heads coloured, with their place in the order: which heads
    go, and when, is seen side by side."""
    down = -(-len(found) // across)
    titles = [_heads_title(one) for one in found]
    figure = make_subplots(down, across, subplot_titles=titles, vertical_spacing=0.25 / max(down, 2))
    for place, one in enumerate(found):
        figure.add_trace(_heads_map(one), row=place // across + 1, col=place % across + 1)
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_annotations(font_size=12)
    title = "Heads that each defense pruned (coloured), and their place in line; layers upwards"
    finish(figure, title, 110 + 150 * down)
    return figure.update_layout(margin={"t": 80})


def _heads_map(one: HeadsOf) -> go.Heatmap:
    place_of = {head: number for number, head in enumerate(one.order, start=1)}
    grid = [[(layer, head) for head in range(one.heads)] for layer in range(one.layers)]
    return go.Heatmap(
        z=[[int(head in one.pruned) for head in line] for line in grid],
        text=[[str(place_of.get(head, "–")) for head in line] for line in grid],
        texttemplate="%{text}" if one.layers * one.heads <= MOST_NUMBERED else None,
        textfont={"size": 9},
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(138,146,154,0.25)"], [1, "#D55E00"]],
        showscale=False,
        xgap=1,
        ygap=1,
        hovertemplate="layer %{y}, head %{x}: number %{text} in line<extra></extra>",
    )


def _heads_title(one: HeadsOf) -> str:
    title = f"{html.escape(one.defense)}: {len(one.pruned)}"
    layers = len(one.layers_gone)
    said = [f"{layers} whole layer{'s' if layers > 1 else ''}"] if layers else []
    said += ["order by rounding alone"] if one.tied else []
    return f"{title}<br><b>{', '.join(said)}</b>" if said else title


def study_scatter(rows: Sequence[Row]) -> go.Figure:
    """ACC against LFR of one victim under every defense: means over seeds with 95 % intervals, and the
    floor of LFR as a line."""
    figure = go.Figure()
    for number, row in enumerate(rows):
        if row.acc is None or row.lfr is None:
            continue
        figure.add_scatter(
            x=[100 * row.lfr.mean],
            y=[100 * row.acc.mean],
            error_x=_error(row.lfr),
            error_y=_error(row.acc),
            name=html.escape(row.defense),
            mode="markers",
            marker=mark(number),
            text=[
                f"<b>{html.escape(row.defense)}</b><br>"
                f"ACC {percent(row.acc.mean)}, LFR {percent(row.lfr.mean)}"
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    floor = next((row.floor for row in rows if row.floor), None)
    if floor is not None:
        line = {"dash": "dot", "color": FLOOR}
        figure.add_vline(x=100 * floor.mean, line=line, annotation_text="never poisoned")
    figure.update_xaxes(title="LFR (%): lower is better", range=[-2, 102], ticksuffix=" %")
    figure.update_yaxes(title="ACC (%): higher is better", ticksuffix=" %")
    return finish(figure, "Accuracy paid, and LFR left", 560)


def _error(found: Figure) -> dict[str, object] | None:
    if found.low is None or found.high is None:
        return None
    return {"type": "data", "array": [100 * (found.high - found.mean)], "thickness": 1}
