"""The paper's table as the project measured it, worse than hoped or not."""

import streamlit as st

from backend.report.figures import studies as figures
from backend.studies import replication
from backend.studies.results import table
from pages.parts.common.ui import plain

MEANING = """
In percent: mean ± standard deviation (95 % interval of the mean) over the seeds that are done. **ACC**,
**LFR** and **clean flip rate** are those of the last model, after the second fine-tuning where there is
one; **pruned alone** those before it. **LFR, never poisoned** is what the trigger does to an honest model
of the same seed, **excess LFR** is LFR minus it. **Seconds** are those of scoring and pruning.
ONION is measured on 100 clean and 100 triggered rows a seed.
**Differences** are in points on the same rows of the same seeds, with their 95 % interval, which covers the
rows alone where there is one seed; p is that of McNemar's exact test, the largest of the seeds, not
corrected for looking at many defenses.
"""
CORRELATION = """
Spearman's ρ over all different sets of heads that defenses of a seed took, mean over seeds: negative where
LFR is the lower the more heads a layer lost. Exploratory: the sets were not drawn at random. The controls
that take layer after layer, or empty half of them, are the experiment, and not among these sets.
"""


def replication_panel() -> None:
    """The findings of the benchmark, a trigger at a time."""
    found = replication.load()
    if found is None or not found.rows:
        return
    with st.expander("The paper's table, measured by the project", icon=":material/science:"):
        st.caption(plain(found.settings))
        if found.done < found.cells:
            st.info(
                f"{found.done} of {found.cells} runs are done: what has one seed settles nothing.",
                icon=":material/hourglass:",
            )
        if found.chance:
            st.caption(plain(f"How far chance goes. {found.chance}"))
        victim = st.selectbox("Trigger", found.victims, key="measured-victim")
        rows = [row for row in found.rows if row.victim == victim]
        if rows:
            figure = figures.lfr_of_defenses(rows)
            st.plotly_chart(figure, key=f"measured-{victim}", alt=f"LFR of each defense, {victim}")
            shown = {"Victim": None}  # the one chosen
            st.dataframe(
                table(rows),
                hide_index=True,
                column_config=shown,
                height="content",
                alt=f"Defenses of {victim}",
            )
        if beside := found.beside.get(victim):
            title = st.segmented_control(
                "Differences on the same rows",
                list(beside),
                default=next(iter(beside)),
                required=True,
                key=f"measured-minus-{victim}",
            )
            st.dataframe(beside[title], hide_index=True, height="content", alt=plain(title))
        if where := found.where.get(victim):
            st.markdown(f"**{replication.WHERE}**")
            st.dataframe(where, hide_index=True, height="content", width="content", alt=replication.WHERE)
            st.caption(CORRELATION)
        for note in found.notes.get(victim, []):
            st.caption(plain(note))
        st.caption(MEANING)
        st.caption(plain(f"Measured by benchmarks/replication.py on {found.machine}."))
