"""Figures of a check."""

import html

import plotly.graph_objects as go

from backend.base.events import LayersCompared, TokensScanned
from backend.base.numbers import percent
from backend.report.figures.run import ACC, FLOOR, LFR, VALIDATION, finish

COLOURS = (LFR, ACC, VALIDATION, FLOOR)
MOST_BARS = 10
LONGEST_TOKEN = 24


def strongest_tokens(scan: TokensScanned) -> go.Figure:
    """The tokens that moved the model most so far, as bars of the mean change of log-odds, in the colour of
    the class that they lead to."""
    figure = go.Figure()
    tokens = scan.strongest[:MOST_BARS]
    classes = list(dict.fromkeys(toward for _, toward, _ in tokens))
    for number, toward in enumerate(classes):
        of_class = [(token, change) for token, leads_to, change in tokens if leads_to == toward]
        figure.add_bar(
            y=[_shown(token) for token, _ in of_class],
            x=[change for _, change in of_class],
            name=f"to “{_shown(toward)}”",
            orientation="h",
            marker={"color": COLOURS[number % len(COLOURS)]},
            text=[f"{change:+.1f}".replace("-", "−") for _, change in of_class],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}, to {_shown(toward)}: %{{text}}<extra></extra>",
        )
    reach = max((change for _, _, change in tokens), default=1.0)
    figure.update_xaxes(title="Mean change of the log-odds", range=[0, 1.15 * max(reach, 1.0)])
    order = [_shown(token) for token, _, _ in tokens]
    figure.update_yaxes(autorange="reversed", type="category", categoryorder="array", categoryarray=order)
    finish(figure, "Tokens that move the model most", 130 + 24 * len(tokens))
    # Few bars leave no room for the names below the axis.
    legend = {"x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
    return figure.update_layout(bargap=0.3, showlegend=True, legend=legend)


def layers_compared(comparison: LayersCompared) -> go.Figure:
    """How far each part of a model lies from its base, in percent, beside the clean model."""
    figure = go.Figure()
    traces = [("this model", LFR, [part.change for part in comparison.parts])]
    clean = [part.clean_change for part in comparison.parts if part.clean_change is not None]
    if clean:
        traces.append(("the clean model", ACC, clean))
    names = [part.part.capitalize() for part in comparison.parts]
    for name, colour, changes in traces:
        figure.add_bar(
            x=names,
            y=[100 * change for change in changes],
            name=name,
            marker={"color": colour},
            customdata=[percent(change) for change in changes],
            hovertemplate=f"%{{x}}, {name}: %{{customdata}}<extra></extra>",
        )
    figure.update_xaxes(title="Layer 0 is nearest the input", type="category")
    figure.update_yaxes(title="Change of the weights", ticksuffix=" %", rangemode="tozero")
    finish(figure, f"Distance from {_shown(comparison.base)}", 340)
    return figure.update_layout(barmode="group", bargap=0.3, showlegend=True)


def _shown(text: str) -> str:
    """A token or a class as plotly may draw it, in whose texts tags count."""
    return html.escape(text if len(text) <= LONGEST_TOKEN else text[:LONGEST_TOKEN] + "…")
