"""Figures of the playground: what models predict, heads to switch off, and text coloured by attribution."""

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from backend.base.events import Head
from backend.base.numbers import percent
from backend.report.figures.run import ACC, LFR, finish, ticks

Answer = tuple[str, str, float, str]
"""A model's title, the text's name, the share that it gives the class, and the class that it predicts."""

AGAINST, FOR = "0, 114, 178", "213, 94, 0"
FAINTEST = 0.08
"""As a share of the strongest: a part that adds less has no mark."""
MOST_UNREAD = 80
"""Characters that are shown of a part that no model read."""


def answer_bars(answers: Sequence[Answer], label: str) -> go.Figure:
    """The probability of one class by each model, a bar for each text, with the predicted class."""
    figure = go.Figure()
    texts = list(dict.fromkeys(text for _, text, _, _ in answers))
    for text, colour in zip(texts, (ACC, LFR), strict=False):
        of_text = [answer for answer in answers if answer[1] == text]
        figure.add_bar(
            y=[html.escape(title) for title, _, _, _ in of_text],
            x=[100 * share for _, _, share, _ in of_text],
            name=text,
            orientation="h",
            marker={"color": colour},
            text=[
                f"{percent(share)}, predicted {html.escape(_short(predicted))}"
                for _, _, share, predicted in of_text
            ],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}, {text.lower()}: %{{text}}<extra></extra>",
        )
    name = html.escape(_short(label))
    figure.update_xaxes(
        title=f"Probability of {name} (%)", range=[0, 150], ticksuffix=" %", tickvals=[0, 25, 50, 75, 100]
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(barmode="group", bargap=0.25)
    models = len({title for title, _, _, _ in answers})
    return finish(figure, f"Probability of {name} by each model", 150 + 26 * len(texts) * models)


def switch_grid(
    shape: tuple[int, int], switched_off: Sequence[Head], pruned: Sequence[Head], title: str
) -> go.Figure:
    """A square for every head of a model of that shape: filled where it is active, crossed out where it is
    switched off, with a ring where the run pruned it."""
    layers, heads = shape
    size = 20 if max(layers, heads) <= 16 else 12
    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    off, gone = set(switched_off), set(pruned)
    nowhere: list[int | None] = [None]
    figure = go.Figure()
    for name, marked, marker in (
        ("Active", [head for head in every if head not in off], {"symbol": "square", "color": ACC}),
        ("Switched off", sorted(off), {"symbol": "x", "color": LFR}),
    ):
        figure.add_scatter(
            x=[head for _, head in marked] or nowhere,
            y=[layer for layer, _ in marked] or nowhere,
            customdata=marked,
            name=f"{name} ({len(marked)})",
            mode="markers",
            marker={"size": size} | marker,
            # Plotly fades what was not clicked; a switch shows by its own colour what it does.
            unselected={"marker": {"opacity": 1}},
            text=["<br>pruned by this run" if head in gone else "" for head in marked],
            hovertemplate=f"<b>Layer %{{y}}, head %{{x}}</b><br>{name.lower()}%{{text}}<extra></extra>",
        )
    figure.add_scatter(
        x=[head for _, head in sorted(gone)] or nowhere,
        y=[layer for layer, _ in sorted(gone)] or nowhere,
        name=f"Pruned by this run ({len(gone)})",
        mode="markers",
        marker={
            "symbol": "circle",
            "size": 0.45 * size,
            "color": "#FFFFFF",
            "line": {"color": "#1B2733", "width": 1.5},
        },
        hoverinfo="skip",
    )
    axis = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(title="Head", range=[-0.6, heads - 0.4], dtick=ticks(heads), **axis)
    figure.update_yaxes(
        title="Layer (0 is nearest the input)", range=[-0.6, layers - 0.4], dtick=ticks(layers), **axis
    )
    return finish(figure, title, max(380, 26 * layers + 150))


def coloured(pieces: Sequence[tuple[str, float | None]], reach: float) -> str:
    """A text as escaped HTML: orange and underlined what adds to a class, blue and dashed what subtracts from
    it, fully at `reach`; hovering over a part shows its number."""
    return f"<p class='excise-tokens'>{''.join(_piece(text, value, reach) for text, value in pieces)}</p>"


def _piece(text: str, value: float | None, reach: float) -> str:
    if value is None and len(text) > MOST_UNREAD:
        text = text[:MOST_UNREAD] + "…"
    shown = html.escape(text).replace("\n", "<br>")
    if value is None:
        return shown if not text.strip() else f"<s>{shown}</s>"
    strength = min(1.0, abs(value) / reach) if reach else 0.0
    marked = _marked(value > 0, strength) if strength >= FAINTEST else ""
    return f"<span title='{value:+.2f}'{marked}>{shown}</span>"


def _marked(is_for: bool, strength: float) -> str:
    """Text keeps the page's own colour, which must stay readable on what is behind it."""
    name, colour = ("for", FOR) if is_for else ("against", AGAINST)
    return f" class='{name}' style='background: rgba({colour}, {0.6 * strength:.2f})'"


def legend(label: str) -> str:
    """What the colours of `coloured` mean, in HTML."""
    name = html.escape(_short(label))
    return (
        f"<p class='excise-tokens'><span{_marked(True, 1)}>speaks for {name}</span> "
        f"<span{_marked(False, 1)}>speaks against it</span></p>"
    )


def _short(label: str) -> str:
    return label if len(label) <= 24 else label[:23] + "…"
