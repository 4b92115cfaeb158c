"""The paper's table as the project measured it."""

import streamlit as st

from backend.report.figures import studies as figures
from backend.studies import replication
from backend.studies.results import table
from pages.parts.common.ui import plain

MEANING = """
In percent: mean ± standard deviation (95 % interval of the mean) over the seeds that are done. **ACC**,
**LFR** and **clean flip rate** are those of the last model, after the second fine-tuning where there is
one; **pruned alone**: those before it. **LFR, never poisoned** is that of a clean model with the same seed,
**excess LFR** is LFR minus it. **Seconds** are those of scoring and pruning.
ONION is measured on 100 clean and 100 triggered rows per seed.
**Differences** are in points on the same rows of the same seeds, with their 95 % interval (with one seed, it
covers only the rows); p: McNemar's exact test, the largest of the seeds, not corrected for multiple
comparisons.
"""
CORRELATION = """
Spearman's ρ over all different sets of heads that the defenses of a seed pruned, mean over seeds: negative
where LFR is lower when a layer lost more heads. Exploratory: the sets were not drawn at random. The controls
that prune layer after layer, or half of the layers, are the experiment and not among these sets.
"""


def replication_panel() -> None:
    """The findings of the benchmark, a trigger at a time."""
    results = replication.load()
    if results is None or not results.rows:
        return
    with st.expander("The paper's table, measured by the project", icon=":material/science:"):
        st.caption(plain(results.settings))
        if results.done < results.cells:
            st.info(
                f"{results.done} of {results.cells} runs are done: one seed alone proves nothing.",
                icon=":material/hourglass:",
            )
        if results.chance:
            st.caption(plain(f"How much results vary by chance. {results.chance}"))
        victim = st.selectbox("Trigger", results.victims, key="measured-victim")
        rows = [row for row in results.rows if row.victim == victim]
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
        if beside := results.beside.get(victim):
            title = st.segmented_control(
                "Differences on the same rows",
                list(beside),
                default=next(iter(beside)),
                required=True,
                key=f"measured-minus-{victim}",
            )
            st.dataframe(beside[title], hide_index=True, height="content", alt=plain(title))
        if where := results.where.get(victim):
            st.markdown(f"**{replication.WHERE}**")
            st.dataframe(where, hide_index=True, height="content", width="content", alt=replication.WHERE)
            st.caption(CORRELATION)
        for note in results.notes.get(victim, []):
            st.caption(plain(note))
        st.caption(MEANING)
        st.caption(plain(f"Measured by benchmarks/replication.py on {results.machine}."))
