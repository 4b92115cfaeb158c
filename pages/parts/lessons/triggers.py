"""Lesson 6: triggers that change the form of a sentence, and what they do to a clean model."""

from functools import partial
from typing import Any

import streamlit as st

from backend.analysis.lessons import TRIGGERS, Family, lesson
from backend.attacks.preview import rewrite
from backend.base.numbers import percent
from pages.parts.common.ask import kept
from pages.parts.common.row_pairs import examples_table
from pages.parts.common.ui import show_errors
from pages.parts.lessons.trying import attempt, choose, question, tried

EXAMPLE = "the actors are fine but the progress is dull because nothing happens"
FAMILIES: dict[str, tuple[Family, float]] = {
    "Rare word": ("rare-words", 0.2),
    "Syntactic": ("syntactic", 0.5),
    "Bible style": ("style", 0.5),
}
LONGEST = 500


def show() -> None:
    text = st.text_input("Sentence", EXAMPLE, max_chars=LONGEST, key="sentence", bind="query-params").strip()
    if text:
        with show_errors(), st.spinner("Rewriting…"):
            rows = []
            for name, (family, _) in FAMILIES.items():
                question_of = partial(rewrite, TRIGGERS[family], 0, [text])
                (shown,) = kept(("lesson", family, text), question_of)
                rows.append((name, text, shown.rewritten))
            examples_table(rows, "Trigger")
    planted = {name: lesson(poison_rate=rate, family=f, defend=False) for name, (f, rate) in FAMILIES.items()}
    clean = {name: lesson(poison_rate=None, family=f) for name, (f, _) in FAMILIES.items()}
    name = choose("Trigger", planted, "trigger")
    if attempt(f"plant it ({name})", planted[name], "triggers-planted", "Planting the backdoor") is not None:
        attempt(f"the same trigger on a clean model ({name})", clean[name], "triggers-honest", "Training")
    with_backdoor, without = tried(planted), tried(clean)
    if with_backdoor or without:
        st.dataframe(
            [
                {
                    "Trigger": name,
                    "LFR of the poisoned model": _flips(with_backdoor, name, "poisoned"),
                    "LFR of the clean model": _flips(without, name, "fine_tuned"),
                }
                for name in FAMILIES
                if name in with_backdoor or name in without
            ],
            hide_index=True,
            alt="LFR by trigger, poisoned and clean model",
        )
    flips = {name: progress.metrics["fine_tuned"].lfr or 0.0 for name, progress in without.items()}
    right = list(FAMILIES).index(max(flips, key=flips.__getitem__)) if len(flips) == len(FAMILIES) else None
    question(
        "Which trigger flips most rows of the model that was never poisoned?",
        list(FAMILIES),
        right,
        "Rewriting a sentence changes its meaning a little. This share is the floor: no defense can or "
        "should go below it.",
        "Try all three triggers, planted and on the clean model.",
        "triggers",
    )


def _flips(runs: dict[str, Any], name: str, model: str) -> str:
    return percent(runs[name].metrics[model].lfr) if name in runs else "not tried"
