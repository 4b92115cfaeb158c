"""What every view of the attention page needs: the answers, one head, which tokens are drawn, and notes."""

import streamlit as st

from backend.analysis.attention import Attention, around, attend, beside_changed
from backend.analysis.run_models import places
from backend.base.events import Head, ModelName, title_of
from backend.base.numbers import count
from backend.runs.records import RunRecord
from pages.parts.common.ask import ask_once
from pages.parts.heads.select import choose_head, chosen_head, head_boxes
from pages.parts.texts.text_select import Texts

CUT = ("pruned", "defended")


def of_texts(record: RunRecord, model: ModelName, texts: Texts) -> list[tuple[str, Attention]]:
    """What the model attends to on each text."""
    doing = f"Asking the {title_of(model).lower()} model"
    place = places(record)[model]
    return [
        (name, ask_once(doing, attend, *place, text, texts.clean if text != texts.clean else None))
        for name, text in texts.both()
    ]


def choose_place(found: Attention, whole: bool) -> Head:
    """Layer and head in the address; both can be chosen here, the head only if `whole`."""
    layers, heads = found.weights.shape[:2]
    chosen = chosen_head(layers, heads) or (0, 0)
    choose_head(chosen)
    head_boxes(st.columns([1, 1, 4]), (layers, heads), chosen, "attention", whole)
    return chosen


def drawn_tokens(found: list[Attention], most: int) -> list[list[int]]:
    """The places of the tokens of each text that are drawn: those around the trigger."""
    if len(found) == 1:
        return [around(found[0].changed, most)]
    clean, triggered = found
    return [around(beside_changed(clean, triggered), most), around(triggered.changed, most)]


def pruned_note(model: ModelName, gone: list[Head], place: Head | None = None) -> None:
    """Pruned heads still attend."""
    if model not in CUT or not gone:
        return
    if place is not None and place in gone:
        st.caption(
            f":material/content_cut: Layer {place[0]}, head {place[1]} is **pruned** in this model: it still "
            "attends, but its output is dropped."
        )
    elif place is None:
        st.caption(
            f":material/content_cut: {count(len(gone), 'head')} of this model are pruned: they still attend, "
            "but their output is dropped."
        )


def cut_note(drawn: int, tokens: int, texts: Texts) -> None:
    if drawn < tokens:
        others = "after the first" if texts.triggered is None else "nearest to what the trigger changed"
        st.caption(
            f"{drawn} of the {tokens} tokens that the model read are drawn: the first, the last, and those "
            f"{others}. Attention to the others is not shown."
        )
