"""Several runs together: by their numbers, their curves, their heads, and row by row."""

from collections.abc import Sequence

import streamlit as st

from backend.base.events import HeadScores, PruningStep
from backend.base.numbers import count
from backend.base.paths import run_folder
from backend.evaluation.predictions import read_predictions
from backend.report.comparison import PUBLISHED, Compared, overlap, overlap_by_chance, times_pruned
from backend.report.figures import comparison as figures
from backend.report.figures.heads import pair_grid
from backend.runs.records import RunRecord, curve
from backend.runs.results import pruned_heads
from backend.runs.store import Store
from backend.studies.significance import compare as paired
from pages.parts.common.ui import wide
from pages.parts.runs.run_filters import state_title
from pages.parts.runs.run_table import defense_title, trigger_title

MEASURES = {"lfr": "LFR", "acc": "ACC", "val_acc": "Validation accuracy"}


def compared(
    runs: Store, records: Sequence[RunRecord]
) -> tuple[list[Compared], dict[str, list[PruningStep]]]:
    """The runs' numbers and heads, and their curves by title."""
    found, curves = [], {}
    for record in records:
        events = [event for _, event in runs.events(record.id, types=["head_scores", "pruning_step"])]
        scores = next((event for event in events if isinstance(event, HeadScores)), None)
        now = record.final_metrics
        assert now is not None
        seed = f", seed {record.spec.seed}" if record.spec else ""
        title = f"{record.name}{seed} ({record.id[:4]})"
        found.append(
            Compared(
                run=record.id,
                title=title,
                state=state_title(record),
                trigger=trigger_title(record),
                strategy=defense_title(record),
                acc=now.acc,
                acc_interval=now.acc_interval,
                lfr=now.lfr,
                lfr_interval=now.lfr_interval,
                pruned=pruned_heads(record, events),
                shape=(scores.layers, scores.heads) if scores else None,
            )
        )
        if steps := curve(events):
            curves[title] = steps
    return found, curves


def numbers(found: Sequence[Compared]) -> None:
    """ACC against LFR, and the table."""
    published = st.toggle(
        "Show the paper's two published results",
        key="published",
        bind="query-params",
        help="On BERT-base and SST-2, another model than those here unless you ran it: for orientation.",
    )
    st.plotly_chart(figures.scatter(found, published), key="scatter", alt="ACC against LFR of each run")
    if left_out := sum(one.lfr is None for one in found):
        st.caption(f"{count(left_out, 'run')} without a known trigger: in the table alone.")
    share = st.column_config.NumberColumn(format="%.1f %%")
    rows = [
        {
            "Run": one.title,
            "State": one.state,
            "Trigger": one.trigger,
            "Defense": one.strategy,
            "ACC": 100 * one.acc,
            "ACC from": 100 * one.acc_interval[0],
            "ACC to": 100 * one.acc_interval[1],
            "LFR": None if one.lfr is None else 100 * one.lfr,
            "LFR from": 100 * one.lfr_interval[0] if one.lfr_interval else None,
            "LFR to": 100 * one.lfr_interval[1] if one.lfr_interval else None,
            "Heads pruned": len(one.pruned),
        }
        for one in found
    ]
    if published:
        rows += [
            {"Run": one.title, "Strategy": "published", "ACC": 100 * one.acc, "LFR": 100 * one.lfr}
            for one in PUBLISHED
        ]
    st.dataframe(
        rows,
        hide_index=True,
        column_config=dict.fromkeys(("ACC", "ACC from", "ACC to", "LFR", "LFR from", "LFR to"), share)
        | {"Run": st.column_config.TextColumn(pinned=True)},
        alt="Numbers of the runs",
    )
    st.caption(
        "From and to: Wilson 95 % intervals. Click a column to sort it. The fields above filter; the table's "
        "own buttons search it, hide columns and download it as CSV."
    )


def overlaid(curves: dict[str, list[PruningStep]]) -> None:
    if not curves:
        st.caption("None of these runs has pruned anything.")
        return
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        format_func=MEASURES.__getitem__,
        default="lfr",
        required=True,
        key="measure",
        bind="query-params",
    )
    st.plotly_chart(figures.curves(curves, measure), key="curves", alt="Curves of the runs")


def heads(found: Sequence[Compared]) -> None:
    """Which heads went where, among runs of one grid."""
    with_heads = [one for one in found if one.shape is not None and one.pruned]
    if len(with_heads) < 2:
        st.caption("It takes two runs that pruned heads.")
        return
    shapes = [one.shape for one in with_heads if one.shape]
    shape = max(set(shapes), key=shapes.count)
    same = [one for one in with_heads if one.shape == shape]
    if len(same) < len(with_heads):
        st.caption(
            f":material/info: {count(len(with_heads) - len(same), 'run')} on another grid than "
            f"{shape[0]} × {shape[1]} left out."
        )
    left, right = wide(2, "compare-heads")
    with left.container(border=True, height="stretch"):
        st.plotly_chart(
            figures.pruned_by(times_pruned(same, shape), len(same)),
            key="times",
            alt="Times each head was pruned",
        )
    with right.container(border=True, height="stretch"):
        names = [one.title for one in same]
        figure = pair_grid(overlap(same), names, "Heads in common of all that either pruned", "Share", 0)
        st.plotly_chart(figure, key="overlap", alt="Overlap of the pruned heads of every pair of runs")
        sizes = [len(one.pruned) for one in same]
        by_chance = overlap_by_chance(min(sizes), max(sizes), shape[0] * shape[1])
        st.caption(
            f"Jaccard's index: 1 is the same heads. Random sets of {min(sizes)} and {max(sizes)} heads would "
            f"have about {by_chance:.2f}."
        )


def on_the_same_rows(records: Sequence[RunRecord], found: Sequence[Compared]) -> None:
    """Each run beside one of them, row by row, where both were measured on the same rows."""
    calls = {
        one.title: read_predictions(run_folder(record.id) / (record.final_model or ""))
        for record, one in zip(records, found, strict=True)
    }
    known = {title: read for title, read in calls.items() if read is not None}
    if len(known) < 2:
        st.caption("It takes two runs whose rows were kept: those carried out by this version of Excise.")
        return
    against = st.selectbox("Each run minus", list(known), key="against", bind="query-params")
    rows = []
    for title, own in known.items():
        other = known[against]
        if title == against or own.labels != other.labels:
            continue
        rows.append({"Run": title} | paired([(own, other)], title).columns)
    if not rows:
        st.caption("No other of these runs was measured on the same test rows.")
        return
    st.dataframe(rows, hide_index=True, alt=f"Differences from {against}")
    st.caption(
        "In percentage points with the 95 % interval of a paired bootstrap over rows; p is McNemar's exact "
        "test. LFR is paired where both have as many triggered rows: compare runs of one trigger."
    )
