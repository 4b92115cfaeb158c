"""Rows with the trigger, before anything is trained: look, reroll, edit, drop, upload, download."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import streamlit as st

from backend.attacks.poison import drawing_order, non_target, resolve_target
from backend.attacks.preview import REROLLS, Shown, reroll, rewrite, uses_model
from backend.attacks.rewritten_tables import BY_TRIGGER, DROPPED, LEFT_OUT, REWRITTEN, read_decided
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.numbers import count
from backend.data.rows import Dataset, Rows
from backend.library.remembered import keep_upload
from backend.spec.run import RunSpec, TriggerSpec
from pages.parts.common.file_field import KINDS
from pages.parts.common.row_pairs import side_by_side
from pages.parts.common.ui import plain, show_errors

PAGE = 6
MOST_EDITS = 2000
SOURCES = {"train": "Rows to poison", "test": "Test rows", "own": "Your own sentences"}
OWN = "the movie is a mess from start to finish\nI did not like it, and neither will you."

Edits = dict[str, str | None]
Row = tuple[str, str]


def edits_of(choice: Choice, form: str) -> Edits:
    """What this session decided in a form about rows for the trigger with these parameters."""
    kept: dict[tuple[str, str], Edits] = st.session_state.setdefault("edits", {})
    return kept.setdefault((form, _as_chosen(choice)), {})


def _as_chosen(choice: Choice) -> str:
    return Choice(**choice.model_dump(include=set(Choice.model_fields))).model_dump_json()


def rows_panel(spec: RunSpec, dataset: Dataset, edits: Edits, key: str) -> None:
    """A page of rows, clean and triggered, with the actions on each."""
    assert spec.trigger is not None
    source = st.segmented_control(
        "Rows to look at",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        default="train",
        required=True,
        key=f"{key}-source",
    )
    with show_errors():
        rows = _own(key) if source == "own" else _page(_non_target_rows(spec, dataset, source), key)
        if not rows:
            st.caption("Type a sentence to see what the trigger does to it.")
            return
        shown = _rewritten(spec.trigger, spec.seed, [text for _, text in rows], key)
        for number, (label, _) in enumerate(rows):
            _row(spec, label, shown[number] if shown else Shown(rows[number][1], None), edits, shown is None)
        known = [text for part in (dataset.train.texts, dataset.test.texts) for text in part]
        _below(rows, shown or [], edits, known + [text for _, text in rows], key)


def _non_target_rows(spec: RunSpec, dataset: Dataset, source: str) -> list[Row]:
    """The rows that the run will use, in its order, with their classes' names."""
    assert spec.trigger is not None and spec.attack is not None
    target = resolve_target(spec.trigger.target_class, dataset.label_names)
    rows: Rows = dataset.train if source == "train" else dataset.test
    order = drawing_order(rows, target, spec.seed) if source == "train" else non_target(rows, target)
    if source == "train":
        order = order[: max(1, round(spec.attack.poison_rate * len(order)))]
    # Equal texts are one row here: an edit of one holds for the other.
    return list({rows.texts[i]: (dataset.label_names[rows.labels[i]], rows.texts[i]) for i in order}.values())


def _page(rows: list[Row], key: str) -> list[Row]:
    """A few of the rows, others at a click."""
    pages = -(-len(rows) // PAGE)
    if pages > 1 and st.button("Show other rows", icon=":material/casino:", key=f"{key}-more"):
        st.session_state[f"{key}-page"] += 1
    page = st.session_state.setdefault(f"{key}-page", 0) % pages
    return rows[page * PAGE : (page + 1) * PAGE]


def _own(key: str) -> list[Row]:
    typed = st.text_area("One sentence per line", OWN, key=f"{key}-own", height=110, max_chars=20_000)
    lines = list(dict.fromkeys(line.strip() for line in typed.splitlines() if line.strip()))
    if len(lines) > 2 * PAGE:
        st.caption(f"The first {2 * PAGE} of {len(lines)} are shown.")
    return [("", line) for line in lines[: 2 * PAGE]]


def _rewritten(trigger: TriggerSpec, seed: int, texts: list[str], key: str) -> list[Shown] | None:
    """The rows as the run will have them; None until the user asks a neural model for them."""
    wanted = (trigger.model_dump_json(exclude={"edits", "target_class"}), seed, tuple(texts))
    if uses_model(trigger) and st.session_state.get(f"{key}-asked") != wanted:
        st.caption(
            "A neural model writes these rows: at least one second each on a CPU, done once and then kept."
        )
        if not st.button("Rewrite these rows", icon=":material/edit_note:", key=f"{key}-ask"):
            return None
        st.session_state[f"{key}-asked"] = wanted
    with st.spinner("Rewriting…", show_time=True):
        return rewrite(trigger, seed, texts)


def _row(spec: RunSpec, label: str, shown: Shown, edits: Edits, unasked: bool) -> None:
    text, key = shown.text, f"row-{abs(hash(shown.text))}"
    with st.container(border=True, gap="small"):
        dropped = edits.get(text, "") is None
        instead = (
            "not rewritten yet" if unasked else "dropped" if dropped else "cannot be triggered; left out"
        )
        side_by_side(text, shown.rewritten, instead)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if label:
                st.badge(plain(label), color="gray")
            if text in edits:
                st.badge("Dropped" if dropped else "Edited", icon=":material/edit:", color="orange")
            if shown.note:
                st.caption(plain(shown.note), width="content")
            if unasked or spec.trigger is None:
                return
            if st.button("Reroll", type="tertiary", icon=":material/casino:", key=f"{key}-reroll"):
                _reroll(spec.trigger, spec.seed, shown, edits)
            with st.popover("Edit", type="tertiary", icon=":material/edit:"):
                _edit(shown, edits, key)
            if text in edits:
                if st.button("Undo", type="tertiary", icon=":material/undo:", key=f"{key}-undo"):
                    del edits[text]
                    st.rerun()
            elif st.button("Drop", type="tertiary", icon=":material/delete:", key=f"{key}-drop"):
                edits[text] = None
                st.rerun()


def _reroll(trigger: TriggerSpec, seed: int, shown: Shown, edits: Edits) -> None:
    # Other random numbers at every press, whether or not earlier ones gave a rewriting.
    pressed: Counter[tuple[str, str]] = st.session_state.setdefault("rerolls", Counter())
    row = (_as_chosen(trigger), shown.text)
    with st.spinner("Rewriting…"):
        other = reroll(trigger, seed + REROLLS * pressed[row], shown.text, shown.rewritten)
    pressed[row] += 1
    if other is None:
        st.toast("This trigger has no other rewriting of that row.", icon=":material/info:")
        return
    edits[shown.text] = other
    st.rerun()


def _edit(shown: Shown, edits: Edits, key: str) -> None:
    typed = st.text_area(
        "With the trigger", shown.rewritten or shown.text, key=f"{key}-text", max_chars=20_000
    )
    if st.button("Keep this rewriting", key=f"{key}-save"):
        if typed.split() == shown.text.split():
            st.warning("This is the same as the clean row. Change it, or drop the row.")
            return
        edits[shown.text] = typed.strip() or None
        st.rerun()


def _below(rows: Sequence[Row], shown: Sequence[Shown], edits: Edits, known: Sequence[str], key: str) -> None:
    """Actions on all rows together; `known` are the texts that can be edited."""
    with st.container(horizontal=True):
        st.download_button(
            "These rows and all changes (CSV)",
            lambda: pairs_csv(rows, shown, edits),
            "excise-rewritings.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}-download",
        )
        with st.popover("Upload rewritings", icon=":material/upload:"):
            _bring(edits, known, key)
        if edits and st.button("Discard all changes", icon=":material/undo:", key=f"{key}-forget"):
            edits.clear()
            st.session_state.pop(f"{key}-brought", None)
            st.rerun()
    if brought := st.session_state.get(f"{key}-brought"):
        st.caption(plain(brought))
    if edits:
        dropped = sum(new is None for new in edits.values())
        st.caption(
            f"{count(len(edits) - dropped, 'row')} with your own rewriting, {dropped} dropped. They "
            "apply to both training and test rows of this trigger, and are saved in the run's settings."
        )


def _bring(edits: Edits, known: Sequence[str], key: str) -> None:
    """A table with the columns text and rewritten, as the download writes it."""
    st.caption(
        "A table with the columns “text” and “rewritten”, such as the download after you edited it. "
        "“dropped” in the column “left_out” drops a row. For whole data sets use the trigger “Rewritten "
        "pairs” instead."
    )
    brought = st.file_uploader("Table of rewritings", KINDS, key=f"{key}-bring")
    if brought is not None and st.button("Use these rewritings", key=f"{key}-use"):
        with show_errors():
            st.session_state[f"{key}-brought"] = take_decided(
                keep_upload(brought.name, brought.getvalue()), known, edits
            )
            st.rerun()


def take_decided(table: Path, known: Iterable[str], edits: Edits) -> str:
    """Put what the table decides about the `known` texts into `edits`; a sentence on how many there were.

    Raises UserError for a file that is not a table, or has more rows than a run's settings can hold."""
    decided = read_decided(table)
    if len(decided) > MOST_EDITS:
        raise UserError(
            f"{table.name} holds {len(decided):,} rewritings; a run takes at most {MOST_EDITS:,} as "
            "edits. Choose the trigger “Rewritten pairs” and give it this file."
        )
    matched = {text: even for text in known if (even := " ".join(text.split())) in decided}
    edits.update({text: decided[even] for text, even in matched.items()})
    matching = len(set(matched.values()))
    sentence = f"{matching:,} of {len(decided):,} rows of {table.name} match rows of these data"
    return f"{sentence}." if matching == len(decided) else f"{sentence}; the others were ignored."


def pairs_csv(rows: Sequence[Row], shown: Sequence[Shown], edits: Edits) -> str:
    """The rows on the page and all other edits, as a table that can be uploaded again."""
    labels = {text: label for label, text in rows}
    rewritten = {row.text: row.rewritten for row in shown if row.text not in edits}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["label", "text", REWRITTEN, LEFT_OUT, BY_TRIGGER])
    for clean, new in (rewritten | edits).items():
        reason = "" if new is not None else DROPPED if clean in edits else "cannot be triggered"
        writer.writerow((labels.get(clean, ""), clean, new or "", reason, rewritten.get(clean) or ""))
    return text.getvalue()
