"""Choose a text to look at, clean and with a trigger: a row of the run, or one's own."""

from dataclasses import dataclass

import streamlit as st

from backend.inspection.material import pairs
from backend.preview import rewrite, uses_model
from backend.report.numbers import count
from backend.runs.records import RunRecord
from backend.spec import TriggerSpec
from pages.parts.asking import kept
from pages.parts.examples import side_by_side
from pages.parts.picker import trigger_title
from pages.parts.spec_form import trigger_form, valid
from pages.parts.ui import plain

ROW, OWN = "A row of this run", "My own text"
LONGEST = 2000


@dataclass(frozen=True)
class Texts:
    """`triggered` is None where there is no trigger, or it cannot change the text."""

    clean: str
    triggered: str | None
    label: str | None = None

    def both(self) -> list[tuple[str, str]]:
        """What there is, with its name."""
        named = [("Clean", self.clean)]
        return named if self.triggered is None else [*named, ("With the trigger", self.triggered)]


def choose_texts(record: RunRecord) -> Texts | None:
    """The text in the address, or one chosen or typed; None until there is one."""
    known = pairs(record.id)
    ways = [ROW, OWN] if known else [OWN]
    first = OWN if "text" in st.query_params or not known else ROW
    way = st.segmented_control("Text", ways, default=first, required=True, key=f"text-way-{record.id}")
    if way == ROW:
        st.query_params.pop("text", None)
        asked = st.query_params.get("row", "")
        number = int(asked) if asked.isdecimal() and int(asked) < len(known) else 0
        number = st.selectbox(
            "Row",
            range(len(known)),
            number,
            format_func=lambda i: f"{i} · {known[i].label} · {known[i].clean}",
            key=f"row-{record.id}",
            help="Test rows of the other classes, with the trigger that this run measures.",
        )
        st.query_params["row"] = str(number)
        pair = known[number]
        texts = Texts(pair.clean, pair.triggered, pair.label)
    else:
        found = _own(record)
        if found is None:
            return None
        texts = found
    side_by_side(texts.clean, texts.triggered, "no trigger")
    return texts


def _own(record: RunRecord) -> Texts | None:
    st.query_params.pop("row", None)
    typed = st.text_area(
        "Text",
        st.query_params.get("text", ""),
        max_chars=LONGEST,
        key=f"own-{record.id}",
        placeholder="a dull film without a plot",
        help=f"Up to {LONGEST:,} characters. Press Ctrl+Enter, or click elsewhere, to use it.",
    ).strip()
    if not typed:
        st.query_params["text"] = ""
        st.caption("Type a sentence of the kind that the model was trained on.")
        return None
    st.query_params["text"] = typed
    trigger = _trigger(record)
    if isinstance(trigger, str):
        return Texts(typed, trigger or None)
    return Texts(typed, _rewritten(record, trigger, typed) if trigger else None)


def _trigger(record: RunRecord) -> TriggerSpec | str | None:
    """A trigger to apply; the triggered text itself where it is written by hand; None for no trigger."""
    own = record.spec.trigger if record.spec else None
    ways = ([f"This run's: {trigger_title(record)}"] if own else []) + ["Another", "By hand", "None"]
    way = st.segmented_control(
        "Trigger", ways, default=ways[0] if own else "None", required=True, key=f"trigger-way-{record.id}"
    )
    if way == "Another":
        with st.container(border=True):
            chosen: TriggerSpec = valid(TriggerSpec, trigger_form(f"apply-{record.id}", None), "Trigger")
            return chosen
    if way == "By hand":
        return st.text_area("With the trigger", max_chars=LONGEST, key=f"by-hand-{record.id}").strip()
    return own if own is not None and way == ways[0] else None


def _rewritten(record: RunRecord, trigger: TriggerSpec, text: str) -> str | None:
    """The text as the trigger rewrites it; None, with the reason on the page, where it does not."""
    seed = record.spec.seed if record.spec else 0
    question = ("rewritten", trigger.model_dump_json(), seed, text)
    waits = uses_model(trigger) and not kept(question)
    if waits and not st.button("Let the language model rewrite it", icon=":material/edit_note:"):
        return None
    with st.spinner("Applying the trigger…", show_time=True):
        (shown,) = kept(question, lambda: rewrite(trigger, seed, [text]))
    if shown.rewritten is None:
        st.caption(
            f":material/info: This trigger cannot change that text ({count(len(text.split()), 'word')})."
        )
    elif shown.note:
        st.caption(plain(shown.note))
    return shown.rewritten
