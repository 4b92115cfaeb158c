"""Attention as bertviz draws it."""

import streamlit as st

from backend.analysis.attention import Attention
from backend.analysis.run_models import places
from backend.base.events import Head, ModelName, title_of
from backend.report.bertviz import Panel, View, bertviz_page
from backend.runs.records import RunRecord
from pages.parts.common.address import keep, some_of
from pages.parts.heads.attention_shared import (
    CUT,
    choose_place,
    cut_note,
    drawn_tokens,
    of_texts,
    pruned_note,
)
from pages.parts.texts.text_select import Texts

# A browser draws this many in about two seconds.
MOST_LINES = 120_000


def bertviz_views(
    record: RunRecord, model: ModelName, texts: Texts, view: View, most: int, gone: list[Head]
) -> None:
    """bertviz's own drawings, clean and triggered, of one model or several."""
    found = of_texts(record, model, texts)
    every = range(found[0][1].weights.shape[0])
    layer, head, layers = 0, None, list(every)
    if view == "head_view":
        layer, head = choose_place(found[0][1], whole=True)
        only = st.toggle("Only this head", value="all" not in st.query_params, key="attention-only")
        keep("all", None if only else "yes")
        if not only:
            head = None
    models = [model, *choose_beside(record, model)]
    drawn = drawn_tokens([one for _, one in found], most)
    if view == "model_view":
        heads = found[0][1].weights.shape[1]
        of_a_layer = len(models) * heads * sum(len(places) ** 2 for places in drawn)
        fitting = max(1, MOST_LINES // of_a_layer)
        if fitting < len(layers):
            layers = sorted(
                st.multiselect(
                    "Layers",
                    every,
                    [*every][-fitting:],
                    key=f"attention-layers-{fitting}",
                    help="All layers at once would be slow to draw. Choose fewer tokens to draw more layers.",
                )
            ) or [every[-1]]
    pruned_note(model, gone, (layer, head) if head is not None else None)
    panels = [
        _panel(f"{title_of(name)}: {title}", one, places, layers, gone if name in CUT else [])
        for name in models
        for (title, one), places in zip(of_texts(record, name, texts), drawn, strict=True)
    ]
    with st.container(border=True):
        drawing = bertviz_page(view, panels, layer, head)
        st.iframe(drawing, alt="Attention drawn by bertviz")
        st.download_button(
            "Drawing (HTML)",
            drawing,
            f"excise-{record.id}-{view.replace('_', '-')}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            key=f"bertviz-{view}-{record.id}",
            help="The drawing above in one file that opens without a network.",
        )
        cut_note(len(drawn[-1]), len(found[-1][1].tokens), texts)
        if any(panel.pruned for panel in panels):
            st.caption("Crosses mark pruned heads.")


def choose_beside(record: RunRecord, model: ModelName) -> list[ModelName]:
    """Other models to draw below; kept in the address."""
    others = [name for name in places(record) if name != model]
    chosen = st.segmented_control(
        "Compare with",
        others,
        format_func=title_of,
        selection_mode="multi",
        default=some_of("beside", others),
        key=f"attention-beside-{record.id}-{model}",
    )
    keep("beside", ",".join(chosen) or None)
    return [name for name in others if name in chosen]


def _panel(
    title: str, found: Attention, places: list[int], layers: list[int], pruned: list[Head] | None = None
) -> Panel:
    weights = found.weights[layers][:, :, places][:, :, :, places]
    return Panel(title, [found.tokens[i] for i in places], weights, layers, pruned or [])
