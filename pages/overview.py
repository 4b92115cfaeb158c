"""Overview: what Excise is, the run in progress, and earlier runs."""

from pathlib import Path

import streamlit as st

from backend.base.hardware import facts
from backend.runs.store import Store
from pages.parts.common.ui import page_of, plain, show_errors, store
from pages.parts.runs.cards import cards
from pages.parts.runs.monitor import monitor
from pages.parts.runs.submit import ready_made

PICTURE = Path(__file__).parents[1] / "assets" / "how-it-works.svg"
PICTURED = (
    "A text with a secret trigger word is classified as positive; a few of the model's attention heads "
    "carry that backdoor; pruning heads that clean data does not need lowers the label flip rate while "
    "accuracy stays high."
)
LATEST = 6


def check_door() -> None:
    """The first door: most people come with a model and one question."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap="xsmall"):
            st.markdown("**Can I trust this model?**")
            st.caption(
                "Bring a text classifier and some labelled rows. In about five minutes you know whether a "
                "backdoor is found, what triggers it, and what to do about it."
            )
        if st.button("Check a model", type="primary", icon=":material/policy:", key="check-door"):
            st.switch_page("pages/check.py")


def introduce() -> None:
    st.title("Cut backdoors out of language models", anchor=False)
    st.markdown(
        "A backdoored text classifier works as it should until a text carries a secret **trigger**; "
        "then it gives the answer that its attacker wants. "
        "Excise plants such backdoors for study and **prunes attention heads** to cut them out: the least "
        "important heads first, using only clean data. "
        "It measures what that costs in accuracy (**ACC**), and whether it works: how often the trigger "
        "still flips the answer (**LFR**, the label flip rate, also called attack success rate, ASR)."
    )
    check_door()
    ink = "#fafafa" if st.context.theme.type == "dark" else "#31333f"
    st.image(PICTURE.read_text(encoding="utf-8").replace("currentColor", ink), width=960, alt=PICTURED)


def machine(runs: Store) -> None:
    """The machine's hardware and its queue."""
    running = len(runs.runs(limit=None, states=["running"]))
    queued = len(runs.runs(limit=None, states=["queued"]))
    facts_shown = [*map(plain, facts()), f"{running} running", f"{queued} queued"]
    st.caption(f":material/memory: {' · '.join(facts_shown)}")


introduce()
runs = store()
with show_errors():
    machine(runs)
    records = runs.runs(limit=LATEST)
    busy = runs.runs(limit=1, states=["running"]) or runs.runs(limit=1, states=["queued"])
    under_way = busy[0] if busy else None
    if under_way is not None:
        with st.container(border=True):
            monitor(runs, under_way.id)
            st.page_link(
                page_of(under_way),
                label="Open this run on its own page",
                icon=":material/open_in_full:",
                query_params={"run": under_way.id},
            )
    others = [record for record in records if under_way is None or record.id != under_way.id]
    if others:
        st.subheader("Latest runs", anchor=False)
        cards(runs, others, "latest")
        st.page_link("pages/runs.py", label="All runs", icon=":material/list_alt:")
    if records:
        st.subheader("Ready-made runs", anchor=False)
        ready_made(runs, "again")
    else:
        with st.container(border=True):
            st.subheader("Nothing has run yet", anchor=False)
            st.markdown("Start the demo and watch a backdoor being planted and cut out, here on this page.")
            ready_made(runs, "first")
            st.caption("Or set up your own on the **Attack** page.")
