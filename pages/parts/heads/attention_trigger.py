"""How much of each head's attention goes to the trigger's tokens."""

import streamlit as st

from backend.analysis.run_models import places
from backend.base.events import Head, ModelName, title_of
from backend.base.numbers import count
from backend.report.figures import attention as attention_figures
from backend.report.figures import heads as head_figures
from backend.runs.records import RunRecord
from pages.parts.common.address import keep, one_of
from pages.parts.common.ui import wide
from pages.parts.heads.attention_shared import CUT, choose_place, of_texts, pruned_note
from pages.parts.heads.select import grid_of_heads
from pages.parts.texts.text_select import Texts


def trigger_view(record: RunRecord, model: ModelName, texts: Texts, gone: list[Head]) -> None:
    """Attention from [CLS] on the trigger's tokens, for every head of the model, and against another."""
    if texts.triggered is None:
        st.caption(
            "There is no clean and triggered version of this text to compare. Choose a row that has both, or "
            "apply a trigger to your text."
        )
        return
    attention = of_texts(record, model, texts)[-1][1]
    if not attention.changed.any():
        st.caption(
            "The trigger changed no token that the model read: it only removed words, or its part was cut "
            "off."
        )
        return
    layer, head = choose_place(attention, whole=True)
    shares = attention.on_changed()
    others = [name for name in places(record) if name != model]
    left, right = wide(2, "trigger")
    marks = gone if model in CUT else []
    with left.container(border=True, height="stretch"):
        key = f"mass-{record.id}-{model}"
        title = f"{title_of(model)}: attention on trigger tokens"
        figure = attention_figures.mass_grid(shares, title, "From [CLS]", marks, (layer, head))
        alt = f"{title}: its share of what [CLS] attends to, as a grid of heads by layer"
        grid_of_heads(figure, key, alt)
        even = attention.changed.sum() / len(attention.tokens)
        st.caption(
            f"{count(int(attention.changed.sum()), 'token')} of {len(attention.tokens)} changed; a head that "
            f"attends to all tokens equally puts {100 * even:.1f} % there. Layer {layer}, head {head}: "
            f"**{100 * shares[layer, head]:.1f} %**."
        )
    with right.container(border=True, height="stretch"):
        if not others:
            st.caption("This run has no other model to compare with.")
            return
        usual = "poisoned" if "poisoned" in others else others[0]
        other = st.selectbox(
            "Subtract the model",
            others,
            others.index(one_of("than", others, usual)),
            format_func=title_of,
            key=f"mass-less-{record.id}-{model}",
        )
        keep("than", other if other != usual else None)
        before = of_texts(record, other, texts)[-1][1].on_changed()
        changes = (100 * (shares - before)).tolist()
        title = f"{title_of(model)} minus {title_of(other).lower()}"
        figure = head_figures.change_grid(changes, title, "Attention", marks, (layer, head))
        grid_of_heads(figure, f"mass-change-{record.id}-{model}-{other}", title)
    pruned_note(model, gone, (layer, head))
