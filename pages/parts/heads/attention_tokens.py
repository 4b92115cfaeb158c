"""Attention between the tokens of a text: the [CLS] row of a layer's heads, or one head whole."""

import numpy as np
import streamlit as st
from jaxtyping import Float

from backend.analysis.attention import Attention, shared_tokens
from backend.analysis.run_models import places
from backend.base.events import Head, ModelName, title_of
from backend.report.figures import attention as attention_figures
from backend.runs.records import RunRecord
from pages.parts.common.address import keep, one_of
from pages.parts.common.ui import wide
from pages.parts.heads.attention_shared import (
    choose_place,
    cut_note,
    drawn_tokens,
    of_texts,
    pruned_note,
)
from pages.parts.texts.text_select import Texts

# More tokens cannot be read on a chart of half the page's width.
SIDE_BY_SIDE = 20


def token_views(
    record: RunRecord, model: ModelName, texts: Texts, view: str, most: int, gone: list[Head]
) -> None:
    """The [CLS] row of all heads of a layer, or one head whole: as it is, or minus something else."""
    found = of_texts(record, model, texts)
    layer, head = choose_place(found[0][1], whole=view == "head")
    less = choose_difference(record, model, texts)
    pruned_note(model, gone, (layer, head) if view == "head" else None)
    shown = found
    others: list[Attention] = []
    if less == "clean":
        shown = found[1:]
        others = [found[0][1]]
    elif less != "none":
        others = [one for _, one in of_texts(record, less, texts)]
    drawn = drawn_tokens([one for _, one in found], most)[-len(shown) :]
    widest = max(len(places) for places in drawn)
    columns = wide(len(shown), "attention") if widest <= SIDE_BY_SIDE else [st.container()] * len(shown)
    grids = []
    for number, (_, now) in enumerate(shown):
        here, weights = less_another(now, others[number] if others else None, layer, drawn[number])
        grids.append((here, weights[:, 0] if view == "row" else weights[head]))
    reach = max(attention_figures.reach(grid) for _, grid in grids)
    for number, (column, (here, grid)) in enumerate(zip(columns, grids, strict=False)):
        name, now = shown[number]
        tokens = [now.tokens[i] for i in here]
        if view == "row":
            rows, axis = [f"head {i}" for i in range(len(grid))], "Head"
            title = f"{name}: what [CLS] attends to in layer {layer}"
        else:
            rows, axis = tokens, "From"
            title = f"{name}: layer {layer}, head {head}"
        with column.container(border=True):
            figure = attention_figures.token_grid(
                grid, rows, tokens, now.changed[here], title, ("Token", axis), reach, bool(others)
            )
            st.plotly_chart(figure, key=f"{view}-{number}-{record.id}", alt=title)
            cut_note(len(drawn[number]), len(now.tokens), texts)
    if texts.triggered is not None:
        st.caption(
            "▸ marks the tokens that the trigger changed. The scale leaves out the first and last token."
        )


def choose_difference(record: RunRecord, model: ModelName, texts: Texts) -> str:
    """What is subtracted: nothing, the clean text, or another model on the same text."""
    options = {"none": "Nothing"} | ({"clean": "The clean text"} if texts.triggered is not None else {})
    options |= {name: f"The {title_of(name).lower()} model" for name in places(record) if name != model}
    chosen = st.segmented_control(
        "Subtract",
        list(options),
        format_func=options.__getitem__,
        default=one_of("less", list(options), "none"),
        required=True,
        key=f"attention-less-{record.id}-{model}",
        help="Differences are in points: orange is more attention than in what is subtracted, blue is less. "
        "For the clean text, only tokens that both texts have are compared.",
    )
    keep("less", chosen if chosen != "none" else None)
    return chosen


def less_another(
    now: Attention, other: Attention | None, layer: int, places: list[int]
) -> tuple[list[int], Float[np.ndarray, "head query key"]]:
    """A layer's attention between the tokens at `places`, minus that of `other` where both have the token:
    the places that both have, and the difference."""
    if other is None:
        return places, now.weights[layer][:, places][:, :, places]
    shared = zip(*shared_tokens(now.tokens, other.tokens), strict=True)
    here, there = map(list, zip(*[pair for pair in shared if pair[0] in places], strict=True))
    before = other.weights[layer][:, there][:, :, there]
    return here, now.weights[layer][:, here][:, :, here] - before
