"""Attention: what each head looks at in one text, clean and triggered, in each model of a run."""

import streamlit as st

from backend.analysis.run_models import places
from backend.base.events import ModelName, title_of
from backend.runs.records import RunRecord
from backend.runs.results import pruned_heads
from backend.runs.store import Store
from pages.parts.common.address import keep, one_of
from pages.parts.common.ui import page_of, show_errors, store
from pages.parts.heads.attention_bertviz import bertviz_views
from pages.parts.heads.attention_tokens import token_views
from pages.parts.heads.attention_trigger import trigger_view
from pages.parts.runs.monitor import session_progress
from pages.parts.runs.run_select import choose_run
from pages.parts.texts.text_select import choose_texts

VIEWS = {
    "row": "[CLS] row",
    "head": "One head",
    "trigger": "Trigger tokens",
    "heads": "bertviz heads",
    "model": "bertviz model",
}
MOST = ["16", "24", "32", "48", "64", "96", "128"]
USUAL = "32"


def look(runs: Store) -> None:
    record = choose_run(runs)
    if record is None:
        return
    if not places(record):
        st.caption("This run has no saved models: it has not produced one yet, or they were deleted.")
        return
    st.page_link(
        page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
    )
    gone = [(layer, head) for layer, head in pruned_heads(record, session_progress(runs, record).steps)]
    texts = choose_texts(record)
    model, view, most = choose_view(record)
    if texts is None:
        return
    if view in ("row", "head"):
        token_views(record, model, texts, view, most, gone)
    elif view == "trigger":
        trigger_view(record, model, texts, gone)
    else:
        bertviz_views(record, model, texts, "head_view" if view == "heads" else "model_view", most, gone)


def choose_view(record: RunRecord) -> tuple[ModelName, str, int]:
    """Model, view and how many tokens are drawn; all kept in the address."""
    models = list(places(record))
    model = st.segmented_control(
        "Model",
        models,
        format_func=title_of,
        default=one_of("model", models, models[-1]),
        required=True,
        key=f"attention-model-{record.id}",
    )
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        default=one_of("view", list(VIEWS), "row"),
        required=True,
        key=f"attention-view-{record.id}",
    )
    most = one_of("tokens", MOST, USUAL)
    if view != "trigger":
        most = st.selectbox(
            "Tokens drawn",
            MOST,
            MOST.index(most),
            key="attention-most",
            help="How many tokens are drawn. The model always reads all of them.",
            width=160,
        )
    keep("model", model)
    keep("view", view)
    keep("tokens", most if most != USUAL else None)
    return model, view, int(most)


st.title("Attention", anchor=False)
st.caption("What each head looks at in one text, clean and with its trigger, in each model of a run.")
with show_errors():
    look(store())
