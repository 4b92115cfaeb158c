"""How good the trigger generators were found to be, by the benchmark that the project carries."""

from typing import Any

import streamlit as st

from backend.report import trigger_quality
from backend.spec.run import TriggerSpec
from pages.parts.common.ui import plain

MEANING = """
**Trigger present**: the share of rewritten rows that a checker takes for the trigger: a part-of-speech
rule for the syntactic template, a classifier learned from published rows for the Bible, lists of marks
for the other styles; **by words and grammar alone**: the same without the openings and closings that a
style puts around a sentence. **Similarity**: mean cosine of sentence embeddings with the clean row.
**Perplexity**: median under SmolLM2-135M. **LFR planted**: rows called the target class by a model
poisoned with this trigger. **Floor**: the same of a model that was never poisoned: a rewriting that
destroys the sentiment flips honest models too. Rows that a generator leaves out count as not flipped.
"""


def _verdict(found: dict[str, Any], data: str, name: str | None) -> None:
    """Which of its targets the chosen trigger misses, and which were never measured."""
    if name is None or name not in found["data"][data]:
        st.caption("The chosen trigger was not measured on these data, or not as it is set here.")
        return
    missed, never = trigger_quality.misses(found, data, name), trigger_quality.unmeasured(found, data, name)
    if missed:
        st.markdown("**Targets that the chosen trigger misses**")
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in missed))
    elif not never:
        st.caption("The chosen trigger meets all of its targets.")
    else:
        st.caption("The chosen trigger meets those of its targets that were measured.")
    if never:
        st.caption(plain(f"Not measured: {' '.join(never)}"))


def quality_panel(trigger: TriggerSpec, key: str) -> None:
    """The table, with the chosen trigger's missed targets said plainly."""
    found = trigger_quality.load()
    if not found:
        return
    with st.expander("How good are the generators? Measured", icon=":material/speed:"):
        data = st.segmented_control(
            "Measured on",
            list(found["data"]),
            format_func=lambda name: trigger_quality.DATA_TITLES.get(name, name),
            default=next(iter(found["data"])),
            required=True,
            key=f"{key}-data",
        )
        st.dataframe(trigger_quality.table(found, data), hide_index=True)
        _verdict(found, data, trigger_quality.name_of(trigger))
        st.caption(MEANING)
        st.caption(plain(f"Measured by benchmarks/trigger_quality.py on {found['machine']}; one seed."))
