"""What each head does when it is silenced or given back: measured, drawn, in words."""

import numpy as np
import streamlit as st

from backend.errors import UserError
from backend.events import Head, HeadScores
from backend.inspection.effects import ROWS, Effects, Kind, Measure, measure_layer, read_effects
from backend.report import agreement, head_figures
from backend.report.numbers import percent, with_interval
from backend.runs.records import RunRecord
from pages.parts.asking import ask
from pages.parts.head_importance import choose_head, chosen_head
from pages.parts.ui import plain, wide

NEXT_LAYER_SECONDS = 0.5


def effects_of(record: RunRecord, scores: HeadScores, gone: list[Head]) -> None:
    """What silencing each head does, measured layer by layer while the page is open."""
    found = read_effects(record.id)
    if found is None or not found.complete:
        st.markdown(
            "Importance is a guess. The **causal effect** is measured: ACC and LFR with one head silent, "
            "and with one pruned head given back to the defended model."
        )
        measuring = st.session_state.get(f"measuring-{record.id}", False)
        st.fragment(_measure, run_every=NEXT_LAYER_SECONDS if measuring else None)(record, scores, gone)
    if found is not None:
        draw_effects(record, scores, found, gone)


def _measure(record: RunRecord, scores: HeadScores, gone: list[Head]) -> None:
    """A button that starts; then a layer at every look, so that others are answered in between."""
    key, failed = f"measuring-{record.id}", f"not-measured-{record.id}"
    found = read_effects(record.id)
    if st.session_state.get(key):
        try:
            st.session_state[key] = not measure_next(record, scores, gone, found).complete
        except UserError as error:
            st.session_state[key], st.session_state[failed] = False, str(error)
        if not st.session_state[key]:
            st.rerun()
        return
    if message := st.session_state.pop(failed, None):
        st.error(plain(message), icon=":material/error:")
    label = "Measure every head" if found is None else "Go on measuring"
    if st.button(label, type="primary", icon=":material/science:", key=f"measure-{record.id}"):
        st.session_state[key] = True
        st.rerun()
    st.caption(f"On {ROWS} clean and {ROWS} triggered test rows: about a minute on two cores, once.")


def measure_next(record: RunRecord, scores: HeadScores, gone: list[Head], found: Effects | None) -> Effects:
    """One more layer, the last first: what lies below it need not be computed again."""
    assert record.spec is not None
    done = found.layers if found else []
    layer = next(layer for layer in reversed(range(scores.layers)) if layer not in done)
    st.progress(len(done) / scores.layers, text=f"{len(done)} of {scores.layers} layers measured")
    return ask(f"Silencing the heads of layer {layer}", measure_layer, record.id, record.spec, gone, layer)


def draw_effects(record: RunRecord, scores: HeadScores, found: Effects, gone: list[Head]) -> None:
    """Effects as grids, and against the place in line."""
    kinds: dict[Kind, str] = {"gated": "Silenced in the fine-tuned model"}
    if found.restored:
        kinds["restored"] = "Given back to the defended model"
    kind = st.segmented_control(
        "One head alone",
        list(kinds),
        format_func=kinds.__getitem__,
        default="gated",
        required=True,
        key=f"kind-{record.id}",
    )
    measures: list[Measure] = ["acc"] if found.before.lfr is None else ["lfr", "acc"]
    base = found.base(kind)
    for column, measure in zip(wide(2, "effects"), measures, strict=False):
        with column.container(border=True, height="stretch"):
            name, key = measure.upper(), f"effect-{measure}-{kind}-{record.id}"
            figure = head_figures.effect_grid(
                found, (scores.layers, scores.heads), measure, kind, gone, chosen_head(scores)
            )
            picked = st.plotly_chart(
                figure, key=key, on_select="rerun", selection_mode="points", alt=f"Change of {name} by head"
            )
            whole = "with every head speaking" if kind == "gated" else "of the defended model"
            if base is not None:
                st.caption(f"{name} {whole}: {with_interval(*found.rate(base, measure))}.")
            choose_head(picked["selection"]["points"] if picked else [], key)
    if kind == "gated":
        against_place(record, scores, found, gone)


def against_place(record: RunRecord, scores: HeadScores, found: Effects, gone: list[Head]) -> None:
    """Whether the heads that carry the backdoor (or, without a trigger, the task) stand first in line."""
    measure: Measure = "acc" if found.before.lfr is None else "lfr"
    rows = found.rows if measure == "acc" else found.triggered_rows
    heads = [(layer, head) for layer in range(scores.layers) for head in range(scores.heads)]
    shape = (scores.layers, scores.heads)
    change = np.array(head_figures.changes(found, shape, measure, "gated"), dtype=float).ravel()
    seen = np.flatnonzero(~np.isnan(change))
    line = agreement.places(scores)
    with st.container(border=True):
        figure = head_figures.effect_against_place(
            line[seen].tolist(), change[seen].tolist(), [heads[i] for i in seen], gone, measure.upper()
        )
        st.plotly_chart(figure, key=f"place-{record.id}", alt="Effect of each head against its place in line")
        said = f"One row of {rows} is {100 / rows:.1f} points, so small changes are noise."
        if measure == "lfr" and len(seen) == len(heads):
            rho = agreement.rank_correlation(agreement.ranks(line), agreement.ranks(change))
            said += (
                f" Rank correlation of place and change: {rho:+.2f}. Were the heads that carry the backdoor "
                "first in line, it would be near +1."
            )
        st.caption(said)


def effect_lines(found: Effects, name: str) -> None:
    """What is known of one head, in words."""
    lines = [
        ("Fine-tuned model", found.before, "with this head silent", found.gated.get(name)),
        ("Defended model", found.after, "with this head given back", found.restored.get(name)),
    ]
    for title, before, how, after in lines:
        if before is None or after is None:
            continue
        measures: list[Measure] = ["acc"] if before.lfr is None else ["acc", "lfr"]
        said = [
            f"{measure.upper()} {percent(getattr(before, measure))} → "
            f"{with_interval(*found.rate(after, measure))}"
            for measure in measures
        ]
        st.markdown(f"**{title}** {how}: {', '.join(said)}")
