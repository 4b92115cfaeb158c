"""The quality of the trigger generators, as the project's benchmark measured it."""

from typing import Any

import streamlit as st

from backend.report import trigger_quality
from backend.spec.run import TriggerSpec
from pages.parts.common.ui import plain

MEANING = """
**Trigger present**: the share of rewritten rows in which a checker finds the trigger: a part-of-speech
rule for the syntactic template, a classifier learned from published rows for the Bible, lists of typical
words for the other styles; **by words and grammar alone**: the same without the openings and closings that
a style puts around a sentence. **Similarity**: mean cosine of sentence embeddings with the clean row.
**Perplexity**: median under SmolLM2-135M. **LFR planted**: the label flip rate (also called attack
success rate, ASR) of a model poisoned with this trigger: the share of rows that get the target class.
**Floor**: the same for a clean model: a rewriting that destroys the sentiment flips clean models too. Rows
that a generator leaves out count as not flipped.
"""


def _verdict(measurements: dict[str, Any], data: str, name: str | None) -> None:
    """The targets that the chosen trigger misses, and those that were never measured."""
    if name is None or name not in measurements["data"][data]:
        st.caption("The chosen trigger was not measured on these data, or not with these settings.")
        return
    missed, never = (
        trigger_quality.misses(measurements, data, name),
        trigger_quality.unmeasured(measurements, data, name),
    )
    if missed:
        st.markdown("**Targets that the chosen trigger misses**")
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in missed))
    elif not never:
        st.caption("The chosen trigger meets all of its targets.")
    else:
        st.caption("The chosen trigger meets all of its targets that were measured.")
    if never:
        st.caption(plain(f"Not measured: {' '.join(never)}"))


def quality_panel(trigger: TriggerSpec, key: str) -> None:
    """The table, and the targets that the chosen trigger misses."""
    measurements = trigger_quality.load()
    if not measurements:
        return
    with st.expander("How good are the generators? Measured", icon=":material/speed:"):
        data = st.segmented_control(
            "Measured on",
            list(measurements["data"]),
            format_func=lambda name: trigger_quality.DATA_TITLES.get(name, name),
            default=next(iter(measurements["data"])),
            required=True,
            key=f"{key}-data",
        )
        st.dataframe(trigger_quality.table(measurements, data), hide_index=True)
        _verdict(measurements, data, trigger_quality.name_of(trigger))
        st.caption(MEANING)
        st.caption(
            plain(f"Measured by benchmarks/trigger_quality.py on {measurements['machine']}; one seed.")
        )
