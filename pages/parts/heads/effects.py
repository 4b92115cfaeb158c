"""What each head does when it is switched off or restored: measured, drawn, in words."""

import numpy as np
import streamlit as st

from backend.analysis.head_effects import (
    ROWS,
    Effects,
    Kind,
    Measure,
    heads_left,
    measure_head,
    name_of,
    read_effects,
)
from backend.analysis.run_models import models_left
from backend.base.errors import UserError
from backend.base.events import Head, HeadScores
from backend.base.numbers import count, duration, percent, with_interval
from backend.report import agreement
from backend.report.figures import heads as head_figures
from backend.runs.records import RunRecord
from pages.parts.common.address import keep, one_of
from pages.parts.common.ask import ask
from pages.parts.common.supervisor import measuring
from pages.parts.common.ui import plain
from pages.parts.heads.importance import scored_words
from pages.parts.heads.select import grid_of_heads

REFRESH_SECONDS = 1.0
KINDS: dict[Kind, str] = {"gated": "Switched off", "restored": "Restored"}
MEASURES: dict[Measure, str] = {"lfr": "LFR", "acc": "ACC"}


def cut_heads(record: RunRecord, gone: list[Head]) -> list[Head]:
    """The heads that can be restored: pruned ones, where there is a defended model."""
    return gone if "defended" in models_left(record.id) else []


def choose_effect(record: RunRecord, effects: Effects) -> tuple[Kind, Measure]:
    """Which effect is drawn; kept in the address."""
    assert record.spec is not None
    kinds: list[Kind] = ["gated", "restored"] if effects.restored else ["gated"]
    measures: list[Measure] = ["acc"] if effects.before.lfr is None else ["lfr", "acc"]
    with st.container(horizontal=True):
        kind = st.segmented_control(
            "One head alone",
            kinds,
            format_func=KINDS.__getitem__,
            default=one_of("effect", kinds, "gated"),
            required=True,
            key=f"kind-{record.id}",
            help=f"Switched off in the {scored_words(record.spec)}, or restored in the defended one.",
        )
        measure = st.segmented_control(
            "Change of",
            measures,
            format_func=MEASURES.__getitem__,
            default=one_of("measure", measures, measures[0]),
            required=True,
            key=f"measure-{record.id}",
        )
    keep("effect", kind if kind != "gated" else None)
    keep("measure", measure if measure != measures[0] else None)
    return kind, measure


def measuring_panel(record: RunRecord, scores: HeadScores, gone: list[Head], effects: Effects | None) -> None:
    """The progress of the measurement, and a button that starts or stops it; nothing once it is complete."""
    cut = cut_heads(record, gone)
    left = heads_left(effects, scores.layers, scores.heads, cut)
    assert record.spec is not None
    with_trigger = record.spec.trigger is not None
    now = measuring().of(record.id)
    if now is not None and not now.over:
        st.fragment(_progress, run_every=REFRESH_SECONDS)(
            record, len(left) - (scores.heads if effects else 1)
        )
        return
    if not left:
        return
    if effects is None:
        measures = "ACC and LFR" if with_trigger else "ACC"
        restored = ", and with one pruned head restored in the defended model" if cut else ""
        st.markdown(
            f"Importance is an estimate. The **causal effect** is measured: {measures} with one head "
            f"switched off{restored}."
        )
    if now is not None and now.error:
        st.error(plain(now.error), icon=":material/error:")
    asked = (record.id, record.spec, scores.layers, scores.heads, cut)
    st.button(
        "Measure every head" if effects is None else f"Measure the other {count(len(left), 'head')}",
        type="primary",
        icon=":material/science:",
        key=f"measure-every-{record.id}",
        on_click=lambda: measuring().start(*asked),
    )
    rows = f"{ROWS} clean and {ROWS} triggered" if with_trigger else f"{ROWS} clean"
    st.caption(f"On {rows} test rows, once, in the background: you can leave this page.")


def _progress(record: RunRecord, redraw: int) -> None:
    """Looks every second; redraws the whole page at the end, and when only `redraw` heads are left."""
    now = measuring().of(record.id)
    if now is None or now.over or len(now.heads) - now.done <= redraw:
        st.rerun()
    said = f"{now.done} of {count(len(now.heads), 'head')} measured"
    if now.waiting:
        said = "Waiting for another run's measurement"
    elif now.stopped:
        said = "Stopping after this head"
    elif now.seconds_left is not None:
        said += f", about {duration(now.seconds_left)} left"
    elif not now.done:
        said = "Reading models and rows"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(now.done / len(now.heads), text=said)
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            disabled=now.stopped,
            key=f"stop-{record.id}",
            on_click=lambda: measuring().stop(record.id),
        )


def effect_grid(
    record: RunRecord,
    scores: HeadScores,
    effects: Effects,
    gone: list[Head],
    chosen: Head,
    kind: Kind,
    measure: Measure,
) -> None:
    """The effect of every head measured so far; a click opens the head."""
    name, shape = MEASURES[measure], (scores.layers, scores.heads)
    figure = head_figures.effect_grid(effects, shape, measure, kind, gone, chosen)
    grid_of_heads(figure, f"effect-{measure}-{kind}-{record.id}", f"Change of {name} by head")
    if kind == "restored":
        _largest_rise(head_figures.changes(effects, shape, measure, kind), name)
    base = effects.base(kind)
    rows = effects.triggered_rows if measure == "lfr" else effects.rows
    whole = "with every head active" if kind == "gated" else "of the defended model"
    said = "not known" if base is None else with_interval(*effects.rate(base, measure))
    st.caption(
        f"{name} {whole}: {said}. One row of {rows} is {100 / max(rows, 1):.1f} points, so small changes "
        "are noise."
    )


def _largest_rise(grid: list[list[float | None]], name: str) -> None:
    known = [
        (change, layer, head)
        for layer, row in enumerate(grid)
        for head, change in enumerate(row)
        if change is not None
    ]
    most, layer, head = max(known, default=(0.0, 0, 0))
    if most > 0:
        st.caption(f"{name} rises most when layer {layer}, head {head} is restored: {most:+.1f} points.")


def _ranks_and_changes(
    scores: HeadScores, effects: Effects, measure: Measure
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which heads are measured, their ranks, and what switching them off changes."""
    shape = (scores.layers, scores.heads)
    change = np.array(head_figures.changes(effects, shape, measure, "gated"), dtype=float).ravel()
    seen = np.flatnonzero(~np.isnan(change))
    return seen, agreement.prune_ranks(scores)[seen], change[seen]


def in_words(scores: HeadScores, effects: Effects, measure: Measure) -> str:
    """One sentence on how well an order of heads agrees with their effects."""
    seen, line, change = _ranks_and_changes(scores, effects, measure)
    name, every = MEASURES[measure], scores.layers * scores.heads
    if len(seen) < every:
        return f"Its agreement with the effect is shown once all {every} heads are measured."
    if not change.any():
        return f"Switching off any single head does not change {name}: no single head decides."
    rho = agreement.rank_correlation(agreement.ranks(line), agreement.ranks(change))
    low, high = agreement.rank_interval(rho, len(seen))
    first = "the heads that carry the backdoor" if measure == "lfr" else f"the heads that {name} needs"
    if low > 0:
        verdict = f"{first} tend to be pruned first"
    elif high < 0:
        verdict = f"{first} tend to be pruned last"
    else:
        verdict = "no more agreement than by chance"
    numbers = f"{rho:+.2f} (95 % interval {low:+.2f} to {high:+.2f}, {count(len(seen), 'head')})"
    return (
        f"Correlation of the pruning rank with the change of {name} when the head alone is switched off: "
        f"{numbers.replace('-', '−')}: **{verdict}**."
    )


def against_place(
    record: RunRecord, scores: HeadScores, effects: Effects, gone: list[Head], measure: Measure
) -> None:
    """Each head's rank against what switching it off changes."""
    seen, line, change = _ranks_and_changes(scores, effects, measure)
    heads = [(layer, head) for layer in range(scores.layers) for head in range(scores.heads)]
    figure = head_figures.effect_against_rank(
        line.tolist(), change.tolist(), [heads[i] for i in seen], gone, MEASURES[measure]
    )
    st.plotly_chart(figure, key=f"place-{record.id}", alt="Effect of each head against its rank")


def head_effect(record: RunRecord, gone: list[Head], head: Head) -> None:
    """The measured effect of one head, in words; or a button that measures it."""
    assert record.spec is not None
    effects = read_effects(record.id)
    if effects is not None and name_of(head) in effects.gated:
        _effect_lines(effects, name_of(head), scored_words(record.spec).capitalize())
        return
    if st.button("Measure what this head does", icon=":material/science:", key=f"measure-one-{record.id}"):
        try:
            ask("Switching off the head", measure_head, record.id, record.spec, cut_heads(record, gone), head)
        except UserError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _effect_lines(effects: Effects, name: str, scored: str) -> None:
    lines = [
        (scored, effects.before, "with this head switched off", effects.gated.get(name)),
        ("Defended model", effects.after, "with this head restored", effects.restored.get(name)),
    ]
    for title, before, how, after in lines:
        if before is None or after is None:
            continue
        measures: list[Measure] = ["acc"] if before.lfr is None else ["acc", "lfr"]
        said = [
            f"{measure.upper()} {percent(getattr(before, measure))} → "
            f"{with_interval(*effects.rate(after, measure))}"
            for measure in measures
        ]
        st.markdown(f"**{title}** {how}: {', '.join(said)}")
