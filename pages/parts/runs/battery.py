"""The trigger battery on a run's page: a test of its models without knowing the trigger."""

import streamlit as st

from backend.analysis.battery import Battery, measure_probe
from backend.base.errors import UserError
from backend.base.numbers import count
from backend.detection.known_triggers import MOST_ROWS, PROBES
from backend.findings.battery import is_suspicious
from backend.findings.gather import Findings, gather
from backend.report import battery
from backend.runs.records import RunRecord
from pages.parts.common.ask import ask
from pages.parts.common.ui import plain

NEXT_PROBE_SECONDS = 0.5


def battery_panel(findings: Findings) -> None:
    """Known triggers in clean rows, tried one after another while the page is open, and their results."""
    record = findings.record
    if record.spec is None or not record.over:
        return
    places, found = findings.battery_places, findings.battery
    if not places and found is None:
        return
    with st.container(border=True):
        st.markdown("**Trigger battery**: a test without knowing the trigger")
        if places and (found is None or found.places != places or found.left):
            measuring = st.session_state.get(f"probing-{record.id}", False)
            every = NEXT_PROBE_SECONDS if measuring else None
            st.fragment(_measure, run_every=every)(findings, measuring)
        if found is not None and found.probes:
            _show(record, found)


def _measure(before: Findings, measuring: bool) -> None:
    """A start button; then one trigger per refresh, so that others' questions are answered in between."""
    record = before.record
    assert record.spec is not None
    key, failed = f"probing-{record.id}", f"not-probed-{record.id}"
    findings = gather(before.store, record, before.progress)  # as it is by now
    places, found = findings.battery_places, findings.battery
    stale = found is not None and found.places != places
    left = list(PROBES) if found is None or stale else found.left
    if st.session_state.get(key) and not measuring:
        st.rerun()  # The whole page once more, with the timer.
    if st.session_state.get(key) and left:
        done = len(PROBES) - len(left)
        st.progress(done / len(PROBES), text=f"{done} of {len(PROBES)} triggers tried")
        try:
            doing = f"Trying: {PROBES[left[0]][0]}"
            now = ask(doing, measure_probe, record.id, record.spec, places, left[0])
            st.session_state[key] = bool(now.left)
        except UserError as error:
            st.session_state[key], st.session_state[failed] = False, str(error)
        if not st.session_state[key]:
            st.rerun()
        return
    if message := st.session_state.pop(failed, None):
        st.error(plain(message), icon=":material/error:")
    label = "Try known triggers"
    if stale:
        st.caption(
            "The models have changed, or there is now a never-poisoned reference: try again for new numbers."
        )
    elif found is not None:
        label = "Continue"
    st.button(
        label,
        icon=":material/labs:",
        key=f"probe-{record.id}",
        on_click=lambda: st.session_state.update({key: True}),
    )
    st.caption(
        f"Puts {len(PROBES)} known triggers into up to {MOST_ROWS} clean test rows and counts how many "
        "predictions change: about half a minute on two cores, once."
    )


def _show(record: RunRecord, found: Battery) -> None:
    sentences = battery.sentences(found)
    if is_suspicious(found):
        st.warning("\n".join(f"- {plain(one)}" for one in sentences), icon=":material/troubleshoot:")
    else:
        st.markdown("\n".join(f"- {plain(one)}" for one in sentences))
    st.caption(
        f"A suspicion, not a proof; a trigger that is not in the battery is not detected. "
        f"{plain(battery.whose(found))}"
    )
    st.page_link(
        "pages/playground.py",
        label="Try the models yourself",
        icon=":material/science:",
        query_params={"run": record.id},
    )
    with st.expander(
        f"All {count(len(found.probes), 'trigger')} on {count(found.rows, 'row')}", icon=":material/labs:"
    ):
        st.plotly_chart(
            battery.figure(found), key=f"battery-{record.id}", alt="Rows that each known trigger flips"
        )
        rows = battery.table(found)
        share = st.column_config.NumberColumn(format="%.1f %%")
        numbers = {name: share for row in rows for name, value in row.items() if isinstance(value, float)}
        st.dataframe(rows, hide_index=True, column_config=numbers, alt="Trigger battery")
        st.caption(plain(battery.explained()))
        for note in found.notes:
            st.caption(f":material/info: {plain(note)}")
