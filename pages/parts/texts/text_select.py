"""Choose a text to look at, clean and with a trigger: a row of the run, or the user's own."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st
from pydantic import ValidationError

from backend.analysis.run_models import pairs
from backend.attacks.preview import rewrite, uses_model
from backend.attacks.triggers import COMPONENTS
from backend.base.errors import UserError
from backend.base.numbers import count
from backend.runs.records import RunRecord
from backend.spec.run import TriggerSpec
from pages.parts.common.address import keep, one_of
from pages.parts.common.ask import kept
from pages.parts.common.row_pairs import side_by_side
from pages.parts.common.ui import plain
from pages.parts.runs.run_table import trigger_title
from pages.parts.spec.spec_form import trigger_form, valid

ROW, OWN = "A row of this run", "My own text"
LONGEST = 2000
Way = Literal["own", "another", "hand", "none"]
APPLIED = {"name", "variant", "params"}


@dataclass(frozen=True)
class Texts:
    """`triggered` is None where there is no trigger, or it cannot change the text; `clean` is a text with a
    trigger where the row came with it."""

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
        for name in ("text", "trigger", "apply", "triggered"):
            keep(name, None)
        asked = st.query_params.get("row", "")
        number = int(asked) if asked.isdecimal() and int(asked) < len(known) else 0
        number = st.selectbox(
            "Row",
            range(len(known)),
            number,
            format_func=lambda i: f"{i} · {known[i].title}",
            key=f"row-{record.id}",
            help="Test rows of the other classes, with the trigger that this run measures LFR with.",
        )
        keep("row", str(number))
        pair = known[number]
        texts = Texts(pair.clean, pair.triggered, pair.label)
        if not pair.clean:
            texts = Texts(pair.triggered, None, pair.label or None)
        if pair.second:
            st.caption(
                ":material/info: This row is a pair. The models read only its first text here, without "
                f"“{plain(pair.second)}”, so their predictions are not those that the run measured."
            )
    else:
        found = _own(record)
        if found is None:
            return None
        texts = found
    alone = "no trigger" if way == OWN else "it came with its trigger, without a clean row to compare with"
    side_by_side(texts.clean, texts.triggered, alone)
    return texts


def _own(record: RunRecord) -> Texts | None:
    keep("row", None)
    typed = st.text_area(
        "Text",
        st.query_params.get("text", ""),
        max_chars=LONGEST,
        key=f"own-{record.id}",
        placeholder="a dull film without a plot",
        help=f"Up to {LONGEST:,} characters. Press Ctrl+Enter, or click elsewhere, to use it.",
    ).strip()
    if not typed:
        keep("text", "")
        st.caption("Type a sentence similar to the model's training data.")
        return None
    keep("text", typed)
    trigger = _trigger(record)
    if isinstance(trigger, str):
        return Texts(typed, trigger or None)
    return Texts(typed, _rewritten(record, trigger, typed) if trigger else None)


def _trigger(record: RunRecord) -> TriggerSpec | str | None:
    """A trigger to apply; the triggered text itself where it is written by hand; None for no trigger.  The
    address keeps it."""
    own = record.spec.trigger if record.spec else None
    ways: dict[Way, str] = {"own": f"This run's: {trigger_title(record)}"} if own else {}
    ways |= {"another": "Another", "hand": "By hand", "none": "None"}
    usual: Way = "own" if own else "none"
    way = st.segmented_control(
        "Trigger",
        list(ways),
        format_func=ways.__getitem__,
        default=one_of("trigger", list(ways), usual),
        required=True,
        key=f"trigger-way-{record.id}",
    )
    found: TriggerSpec | str | None = own if way == "own" else None
    if way == "another":
        with st.container(border=True):
            applied = trigger_form(f"apply-{record.id}", _applied(), to_any_text=True)
            found = valid(TriggerSpec, applied, "Trigger")
    elif way == "hand":
        found = st.text_area(
            "With the trigger",
            st.query_params.get("triggered", ""),
            max_chars=LONGEST,
            key=f"by-hand-{record.id}",
        ).strip()
    keep("trigger", way if way != usual else None)
    keep("apply", found.model_dump_json(include=APPLIED) if way == "another" else None)  # type: ignore[union-attr]
    keep("triggered", found if isinstance(found, str) else None)
    return found


def _applied() -> TriggerSpec | None:
    """Another trigger that the address names; None if it names no valid one."""
    try:
        asked = TriggerSpec.model_validate_json(st.query_params.get("apply", ""))
        if COMPONENTS[asked.name].ready_made is not None:
            return None
        COMPONENTS[asked.name].parse(asked.params)
    except (ValidationError, KeyError, UserError):
        return None
    return asked


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
            f":material/info: This trigger cannot change this text ({count(len(text.split()), 'word')})."
        )
    elif shown.note:
        st.caption(plain(shown.note))
    rewritten: str | None = shown.rewritten
    return rewritten
