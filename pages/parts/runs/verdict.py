"""A finished run's verdict with its evidence, and what went wrong."""

import streamlit as st

from backend.findings.gather import Findings
from backend.findings.verdict import Level, Verdict
from backend.report.sentences import meaning
from backend.report.verdict import advice, headline
from backend.runs.relatives import stamp
from pages.parts.common.ui import Colour, plain

LEVELS: dict[Level, tuple[str, str, Colour]] = {
    "removed": ("Not seen any more", ":material/verified:", "green"),
    "weaker": ("Weaker", ":material/trending_down:", "orange"),
    "left": ("Still there", ":material/report:", "red"),
    "never there": ("Never took", ":material/block:", "gray"),
    "nothing planted": ("Nothing planted", ":material/verified_user:", "gray"),
    "accuracy lost": ("Accuracy lost", ":material/report:", "red"),
    "unknown": ("Trigger unknown", ":material/help:", "gray"),
    "meaningless": ("Random weights", ":material/casino:", "gray"),
}


def kept_verdict(findings: Findings) -> Verdict | None:
    """The run's verdict, kept in the session until the run goes on or another is done, which may be its
    never-poisoned reference or another of its seeds."""
    if findings.record.state != "done":
        return None
    key, now = f"verdict-{findings.run}", (findings.progress.seen, stamp(findings.store))
    kept: tuple[object, Verdict | None] | None = st.session_state.get(key)
    if kept is None or kept[0] != now:
        kept = (now, findings.verdict)
        st.session_state[key] = kept
    return kept[1]


def badge(level: Level) -> None:
    """The level in a word and a colour."""
    title, icon, colour = LEVELS[level]
    st.badge(title, icon=icon, color=colour)


def verdict_panel(findings: Findings) -> None:
    """What became of the backdoor, by which numbers, and what to try next."""
    sentences = meaning(findings.progress)
    found = kept_verdict(findings)
    if not sentences:
        return
    with st.container(border=True):
        if found is None:
            st.markdown("**What it means so far**" if not findings.record.over else "**What it means**")
        else:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown("**Verdict**", width="content")
                badge(found.level)
            st.markdown(plain(headline(found)))
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
        for one in advice(found) if found else []:
            st.warning(
                f"**{plain(one.title)}**: {plain(one.shows)}. {plain(one.tries)}",
                icon=":material/troubleshoot:",
            )
