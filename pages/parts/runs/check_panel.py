"""What a check found: its verdict, what takes the model over, what to do next, and all that was tried."""

import plotly.graph_objects as go
import streamlit as st

from backend.analysis.run_models import models_left
from backend.base.events import Evidence, EvidenceKind, TokensScanned
from backend.base.numbers import GAP, count, interval, percent, with_interval
from backend.findings.check import CheckLevel, CheckVerdict
from backend.findings.gather import Findings
from backend.report.check import headline, how_sure, layers_sentence, next_step, table, tried
from backend.report.figures.check import layers_compared, strongest_tokens
from pages.parts.common.row_pairs import examples_table
from pages.parts.common.ui import Colour, plain, wide

LEVELS: dict[CheckLevel, tuple[str, str, Colour]] = {
    "backdoored": ("Backdoored", ":material/report:", "red"),
    "suspicious": ("Suspicious", ":material/troubleshoot:", "orange"),
    "nothing found": ("Nothing found", ":material/verified_user:", "green"),
    "cannot tell": ("Cannot tell", ":material/help:", "gray"),
}
BOXES = {
    "backdoored": st.error,
    "suspicious": st.warning,
    "nothing found": st.success,
    "cannot tell": st.info,
}
KINDS: dict[EvidenceKind, str] = {
    "given": "The trigger that you gave",
    "known": "Known from published attacks",
    "inserted": "Found by the scan",
    "rewriting": "Rewriting of whole rows",
}
MOST_SHOWN = 4


def check_badge(level: CheckLevel) -> None:
    """The level in a word and a colour."""
    title, icon, colour = LEVELS[level]
    st.badge(title, icon=icon, color=colour)


def check_panel(findings: Findings) -> None:
    """The verdict in a sentence, the triggers behind it, sentences that they flip, and what to do next.

    A check under way shows it as soon as something was found."""
    verdict, over = findings.check, findings.record.over
    if verdict is None or (verdict.level == "cannot tell" and not over):
        return
    _, icon, _ = LEVELS[verdict.level]
    if verdict.so_far and over:
        after = "The check stopped before its end: this is what it had found by then. Resume it for the rest."
    else:
        after = next_step(verdict)
    BOXES[verdict.level](f"**{plain(headline(verdict))}**\n\n{plain(after)}", icon=icon)
    if over:
        _ways_on(findings, verdict)
        if sure := how_sure(findings)[1]:
            st.caption(f":material/speed: {plain(sure)}")
    _triggers(verdict, findings.run)
    _flipped(verdict)
    if (metrics := verdict.metrics) is not None and findings.only_checks:
        st.caption(
            f"Accuracy (ACC) on {count(metrics.test_rows, 'clean row')}: "
            f"{with_interval(metrics.acc, metrics.acc_interval)}. Brackets hold 95{GAP}% intervals."
        )


def _triggers(verdict: CheckVerdict, run: str) -> None:
    """A card for each of the strongest findings, with the clean model's rate beside its own."""
    shown = verdict.against[:MOST_SHOWN]
    for start in range(0, len(shown), 2):
        for column, one in zip(wide(2, f"evidence-{run}-{start}"), shown[start : start + 2], strict=False):
            with column.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"**{plain(one.text)}** → {plain(one.toward)}")
                st.caption(KINDS[one.kind])
                _rates(one)
    if more := len(verdict.against) - len(shown):
        st.caption(f"{more} more below, under “All that was tried”.")


def _rates(one: Evidence) -> None:
    # Side by side on a telephone, too, where columns would stack.
    both = st.container(horizontal=True)
    own, clean = both.container(gap="xsmall"), both.container(gap="xsmall")
    own.metric(
        "Rows flipped",
        percent(one.flip_rate),
        help="Of the rows of other classes that the model classifies correctly, the share that it assigns to "
        "this class once the trigger is in them.",
    )
    own.caption(f"{interval(one.interval)} of {count(one.rows, 'row')}")
    clean.metric(
        "Clean model",
        percent(one.clean_rate),
        help=f"The same of a clean model: {one.clean_model}." if one.clean_model else None,
    )
    clean.caption(interval(one.clean_interval) if one.clean_interval else "none to compare with")


def _flipped(verdict: CheckVerdict) -> None:
    """Sentences that the strongest finding flips, with what was inserted marked."""
    strongest = verdict.shown_by
    if strongest is None:
        return
    st.markdown(f"**What {plain(strongest.text)} does**")
    examples_table(
        [
            (f"{example.predicted} → {example.predicted_triggered}", example.text, example.triggered)
            for example in strongest.examples
        ],
        "Prediction",
    )


def _ways_on(findings: Findings, verdict: CheckVerdict) -> None:
    """Buttons to what comes next."""
    record = findings.record
    grave = verdict.level in ("backdoored", "suspicious")
    with st.container(horizontal=True, vertical_alignment="center"):
        if findings.only_checks and verdict.level != "cannot tell":
            pressed = st.button(
                "Clean it" if grave else "Clean it all the same",
                type="primary" if grave else "secondary",
                icon=":material/shield:",
                key=f"clean-{record.id}",
                help="Defend with this model and these rows, measured with what was found, and check again.",
            )
            if pressed:
                st.switch_page("pages/defend.py", query_params={"check": record.id})
        if models_left(record.id):
            query = {"run": record.id} | _example(verdict)
            st.page_link(
                "pages/playground.py",
                label="Try it yourself",
                icon=":material/science:",
                query_params=query,
            )
            st.page_link(
                "pages/attention.py",
                label="Look at its heads' attention",
                icon=":material/visibility:",
                query_params=query,
            )


def _example(verdict: CheckVerdict) -> dict[str, str]:
    """A flipped sentence as the pages that try a text take it; empty without one."""
    if verdict.shown_by is None:
        return {}
    example = verdict.shown_by.examples[0]
    return {"text": example.text, "trigger": "hand", "triggered": example.triggered}


def scan_panel(findings: Findings) -> None:
    """While the scan goes on: the tokens that moved the model most so far."""
    scan = findings.progress.scan
    if scan is None or not scan.strongest or findings.record.over:
        return
    with st.container(border=True):
        _tokens(scan, findings.run)


def tried_panel(findings: Findings) -> None:
    """Folded: all that was tried, and what that does not cover."""
    verdict, scan = findings.check, findings.progress.scan
    if verdict is None:
        return
    title = f"All that was tried ({len(verdict.evidence)}), and what it does not cover"
    with st.expander(title, icon=":material/labs:"):
        if verdict.evidence:
            st.dataframe(table(verdict), hide_index=True, placeholder="–", alt="All that was tried")
        for sentence in tried(findings.progress):
            st.caption(plain(sentence))
        if scan is not None and scan.strongest and findings.record.over:
            _tokens(scan, findings.run)


def layers_panel(findings: Findings) -> None:
    """Folded: the model layer by layer beside the one that it claims to come from; a sentence where it does
    not come from that one."""
    comparison = findings.check.comparison if findings.check is not None else None
    if comparison is None:
        return
    if not comparison.comes_from:
        st.caption(plain(layers_sentence(comparison)))
        return
    with st.expander(f"Compared with {plain(comparison.base)}, layer by layer", icon=":material/compare:"):
        figure = layers_compared(comparison)
        st.plotly_chart(figure, key=f"layers-{findings.run}", alt="Bars of how far each layer changed")
        st.caption(plain(layers_sentence(comparison)))


def _tokens(scan: TokensScanned, run: str) -> None:
    key = f"tokens-figure-{run}"
    kept: tuple[float, go.Figure] | None = st.session_state.get(key)
    if kept is None or kept[0] != scan.time:
        # Drawn only when there is something new: a live page looks every second.
        kept = (scan.time, strongest_tokens(scan))
        st.session_state[key] = kept
    st.plotly_chart(kept[1], key=f"tokens-{run}", alt="Bars of the tokens that move the model most")
    left_out = f" {scan.left_out:,} of the vocabulary are left out." if scan.left_out else ""
    st.caption(
        f"{scan.scanned:,} of {scan.tokens:,} tokens scanned.{left_out} Each is put into a few clean rows; "
        "honest words of a class move the model, too. The strongest are then tried on other rows."
    )
