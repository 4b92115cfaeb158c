"""Overview: what Excise is, the newest run as it goes, and the runs before it."""

import shutil

import streamlit as st

from backend.home import home
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.launch import ready_made
from pages.parts.monitor import monitor
from pages.parts.picker import cards
from pages.parts.ui import enter, page_of, plain, store, told

LATEST = 7


def introduce() -> None:
    st.title("Cut backdoors out of language models", anchor=False)
    st.markdown(
        "A backdoored text classifier works as it should until a text carries a secret **trigger**; "
        "then it answers what its attacker wants. "
        "Excise plants such backdoors for study and removes them by **pruning attention heads**, least "
        "needed first, with clean data alone. "
        "It measures what that costs in accuracy (**ACC**) and how often the trigger still flips the answer "
        "(**LFR**, the label flip rate)."
    )


def newest(records: list[RunRecord]) -> RunRecord:
    """The run to watch: the one under way, else the latest."""
    return next((record for record in records if record.state == "running"), records[0])


def machine(runs: Store, record: RunRecord | None) -> None:
    """What the machine has and how much waits for it."""
    running = len(runs.runs(limit=None, states=["running"]))
    queued = len(runs.runs(limit=None, states=["queued"]))
    facts = [
        f"{running} running",
        f"{queued} queued",
        f"{shutil.disk_usage(home()).free / 1e9:.0f} GB disk free",
    ]
    if record is not None:
        started = runs.events(record.id, types=["run_started"])
        if started:
            facts.insert(0, f"last run on {plain(started[-1][1].device)}")
    st.caption(f":material/memory: {' · '.join(facts)}")


enter()
introduce()
runs = store()
with told():
    records = runs.runs(limit=LATEST)
    machine(runs, newest(records) if records else None)
    if not records:
        with st.container(border=True):
            st.subheader("Nothing has run yet", anchor=False)
            st.markdown("Start the demo and watch a backdoor being planted and cut out, here on this page.")
            ready_made(runs, "first")
            st.caption("Or set up your own on the **Attack** page.")
    else:
        watched = newest(records)
        with st.container(border=True):
            monitor(runs, watched.id)
            st.page_link(
                page_of(watched),
                label="Open this run on its own page",
                icon=":material/open_in_full:",
                query_params={"run": watched.id},
            )
        others = [record for record in records if record.id != watched.id]
        if others:
            st.subheader("Latest runs", anchor=False)
            cards(others, "latest")
            st.page_link("pages/runs.py", label="All runs", icon=":material/list_alt:")
        st.subheader("Ready-made runs", anchor=False)
        ready_made(runs, "again")
