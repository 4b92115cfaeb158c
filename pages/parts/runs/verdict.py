"""A finished run's verdict with its evidence, and signs of what went wrong."""

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
    "never there": ("Planting failed", ":material/block:", "gray"),
    "nothing planted": ("Nothing planted", ":material/verified_user:", "gray"),
    "accuracy lost": ("Accuracy lost", ":material/report:", "red"),
    "at chance": ("Only guesses", ":material/help:", "gray"),
    "suspicious": ("Suspicious", ":material/troubleshoot:", "orange"),
    "unknown": ("Trigger unknown", ":material/help:", "gray"),
    "meaningless": ("Random weights", ":material/casino:", "gray"),
}


def kept_verdict(findings: Findings) -> Verdict | None:
    """The run's verdict, kept in the session until the run goes on, known triggers are tried on it, or
    another is done, which may be its never-poisoned reference or another of its seeds."""
    if findings.record.state != "done":
        return None
    tried = len(findings.battery.probes) if findings.battery is not None else 0
    key, now = f"verdict-{findings.run}", (findings.progress.seen, stamp(findings.store), tried)
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
    """Whether the backdoor is gone, the numbers that show it, and what to try next."""
    sentences = meaning(findings.progress)
    verdict = kept_verdict(findings)
    if not sentences:
        return
    with st.container(border=True):
        if verdict is None:
            st.markdown("**What it means so far**" if not findings.record.over else "**What it means**")
        else:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown("**Verdict**", width="content")
                badge(verdict.level)
            st.markdown(plain(headline(verdict)))
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
        for sign in advice(verdict) if verdict else []:
            st.warning(
                f"**{plain(sign.title)}**: {plain(sign.shows)}. {plain(sign.tries)}",
                icon=":material/troubleshoot:",
            )
