"""Figures of a study: the states of its runs, and ACC against LFR.

User text is escaped: plotly takes labels for markup."""

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from backend.base.numbers import percent
from backend.report.figures.comparison import mark
from backend.report.figures.run import FLOOR, LFR, TAU, finish, finish_named
from backend.studies.results import HeadsOf, Mean, Row, result
from backend.studies.spec import Place
from backend.studies.store import StudyRecord

MOST_NUMBERED = 150
KEPT = "rgba(138,146,154,0.25)"
# Okabe and Ito's colours, and a symbol each: no state is shown by colour alone.
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
        by_state.setdefault(record.state(place), []).append(place)
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
    lines = [f"<b>{html.escape(victim)} · {html.escape(defense)}</b>, seed {seed}"]
    run = record.runs.get(place)
    if metrics := result(run):
        lines.append(f"ACC {percent(metrics.acc)}, LFR {percent(metrics.lfr)}")
    if run is not None and run.summary is not None and run.summary.error:
        lines.append(html.escape(run.summary.error[:160]))
    return "<br>".join(lines)


def pruned_heads(heads: HeadsOf) -> go.Figure:
    """The pruned heads on the grid, the darker the earlier, with their ranks, layers upwards."""
    figure = go.Figure(_heads_map(heads))
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    return finish(figure, "", 190).update_layout(margin={"t": 4})


def _heads_map(heads: HeadsOf) -> go.Heatmap:
    rank_of = {head: number for number, head in enumerate(heads.order, start=1)}
    grid = [[(layer, head) for head in range(heads.heads)] for layer in range(heads.layers)]
    pruned = sorted(heads.pruned, key=lambda head: rank_of.get(head, 0))
    shade = {head: number / len(pruned) if heads.order else 0.5 for number, head in enumerate(pruned)}
    return go.Heatmap(
        z=[[1 + shade[head] if head in shade else 0 for head in line] for line in grid],
        text=[[str(rank_of.get(head, "")) for head in line] for line in grid],
        texttemplate="%{text}" if heads.layers * heads.heads <= MOST_NUMBERED else None,
        textfont={"size": 9},
        zmin=0,
        zmax=2,
        colorscale=[[0, KEPT], [0.49, KEPT], [0.5, "#6E3100"], [0.75, "#D55E00"], [1, "#FBC79B"]],
        showscale=False,
        xgap=1,
        ygap=1,
        hovertemplate="layer %{y}, head %{x}, rank: %{text}<extra></extra>",
    )


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
            error_x=_errors([row.lfr]),
            error_y=_errors([row.acc]),
            name=html.escape(row.defense),
            mode="markers",
            marker=mark(number),
            text=[
                f"<b>{html.escape(row.defense)}</b><br>"
                f"ACC {percent(row.acc.mean)}, LFR {percent(row.lfr.mean)}"
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    _lfr_axis(figure, rows)
    figure.update_yaxes(title="ACC (%): higher is better", ticksuffix=" %")
    return finish_named(figure, "Accuracy kept, and LFR left")


def lfr_of_defenses(rows: Sequence[Row]) -> go.Figure:
    """LFR of one victim, a line for each defense with ACC beside its name: of the last model, and of the
    one with its heads pruned and no further training; means over seeds with 95 % intervals."""
    figure = go.Figure()
    measured = [row for row in rows if row.acc is not None and row.lfr is not None]
    pruned = {"symbol": "circle-open", "size": 9, "color": TAU, "line": {"width": 2}}
    _add_lfr(figure, "Heads pruned, no further training", pruned, [row.lfr_before for row in measured])
    _add_lfr(
        figure, "Last model", {"symbol": "diamond", "size": 11, "color": LFR}, [row.lfr for row in measured]
    )
    _lfr_axis(figure, rows)
    names = [f"{html.escape(row.defense)} · {100 * row.acc.mean:.1f}" for row in measured if row.acc]
    room = -1.4  # for the floor's name, above the first defense
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, room], zeroline=False
    )
    finish(figure, "LFR left, and ACC beside each name (%)", 190 + 24 * len(names))
    return figure.update_layout(legend={"y": 1, "yanchor": "bottom"}, margin={"t": 100})


def _add_lfr(figure: go.Figure, name: str, marker: dict[str, object], means: Sequence[Mean | None]) -> None:
    """A mark in the line of each defense that has a mean."""
    points = [(line, mean) for line, mean in enumerate(means) if mean is not None]
    figure.add_scatter(
        x=[100 * mean.mean for _, mean in points],
        y=[line for line, _ in points],
        error_x=_errors([mean for _, mean in points]),
        name=name,
        mode="markers",
        marker=marker,
        cliponaxis=False,
        hovertemplate="%{x:.1f} %<extra>" + name + "</extra>",
    )


def _lfr_axis(figure: go.Figure, rows: Sequence[Row]) -> None:
    """From 0 to 100 %, with the floor as a line."""
    floor = next((row.floor for row in rows if row.floor), None)
    if floor is not None:
        line = {"dash": "dot", "color": FLOOR}
        place = "top left" if floor.mean > 0.5 else "top right"
        figure.add_vline(
            x=100 * floor.mean, line=line, annotation_text="never poisoned", annotation_position=place
        )
    figure.update_xaxes(title="LFR (%): lower is better", range=[-2, 102], ticksuffix=" %")


def _errors(means: Sequence[Mean]) -> dict[str, object]:
    """The intervals, in percentage points from the means; of no length where there is none."""
    reach = [
        (0.0, 0.0) if mean.low is None or mean.high is None else (mean.mean - mean.low, mean.high - mean.mean)
        for mean in means
    ]
    below, above = zip(*reach, strict=True) if reach else ((), ())
    return {
        "type": "data",
        "array": [100 * length for length in above],
        "arrayminus": [100 * length for length in below],
        "thickness": 1.5,
        "width": 0,
    }
