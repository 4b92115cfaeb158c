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
from backend.studies import significance
from pages.parts.common.ui import wide
from pages.parts.runs.run_filters import state_title
from pages.parts.runs.run_table import check_level, defense_title, trigger_title

MEASURES = {"lfr": "LFR", "acc": "ACC", "val_acc": "Validation accuracy"}


def compared(
    runs: Store, records: Sequence[RunRecord]
) -> tuple[list[Compared], dict[str, list[PruningStep]]]:
    """The runs' numbers and heads, and their curves by title."""
    summaries, curves = [], {}
    for record in records:
        events = [event for _, event in runs.events(record.id, types=["head_scores", "pruning_step"])]
        scores = next((event for event in events if isinstance(event, HeadScores)), None)
        now = record.final_metrics
        assert now is not None
        seed = f", seed {record.spec.seed}" if record.spec else ""
        title = f"{record.name}{seed} ({record.id[:4]})"
        summaries.append(
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
                check=check_level(runs, record),
            )
        )
        if steps := curve(events):
            curves[title] = steps
    return summaries, curves


def numbers(summaries: Sequence[Compared]) -> None:
    """ACC against LFR, and the table."""
    published = st.toggle(
        "Show the paper's two published results",
        key="published",
        bind="query-params",
        help="Of BERT-base on SST-2, not of the models here unless you ran that: only for orientation.",
    )
    st.plotly_chart(figures.scatter(summaries, published), key="scatter", alt="ACC against LFR of each run")
    if left_out := sum(one.lfr is None for one in summaries):
        st.caption(f"{count(left_out, 'run')} without a known trigger: only in the table.")
    share = st.column_config.NumberColumn(format="%.1f %%")
    checked = any(one.check is not None for one in summaries)
    rows = [
        {
            "Run": one.title,
            "State": one.state,
            "Trigger": one.trigger,
            "Defense": one.strategy,
            **({"Check": one.check and one.check.capitalize()} if checked else {}),
            "ACC": 100 * one.acc,
            "ACC from": 100 * one.acc_interval[0],
            "ACC to": 100 * one.acc_interval[1],
            "LFR": None if one.lfr is None else 100 * one.lfr,
            "LFR from": 100 * one.lfr_interval[0] if one.lfr_interval else None,
            "LFR to": 100 * one.lfr_interval[1] if one.lfr_interval else None,
            "Heads pruned": len(one.pruned) if one.shape is not None else None,
        }
        for one in summaries
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
        "From and to: Wilson 95 % intervals. Click a column to sort by it. The fields above filter the "
        "runs; the table's buttons search, hide columns and download it as CSV."
    )


def overlaid(curves: dict[str, list[PruningStep]]) -> None:
    if not curves:
        st.caption("None of these runs has pruned any head.")
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


def heads(summaries: Sequence[Compared]) -> None:
    """Which heads were pruned how often, among runs with the same head grid."""
    with_heads = [one for one in summaries if one.shape is not None and one.pruned]
    if len(with_heads) < 2:
        st.caption("Needs two runs that pruned heads.")
        return
    shapes = [one.shape for one in with_heads if one.shape]
    shape = max(set(shapes), key=shapes.count)
    same = [one for one in with_heads if one.shape == shape]
    if len(same) < len(with_heads):
        st.caption(
            f":material/info: {count(len(with_heads) - len(same), 'run')} with another head grid than "
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
        figure = pair_grid(
            overlap(same), names, "Share of the heads pruned by either run that both pruned", "Share", 0
        )
        st.plotly_chart(figure, key="overlap", alt="Overlap of the pruned heads of every pair of runs")
        sizes = [len(one.pruned) for one in same]
        by_chance = overlap_by_chance(min(sizes), max(sizes), shape[0] * shape[1])
        st.caption(
            f"Jaccard index: 1 means the same heads. Random sets of {min(sizes)} and {max(sizes)} heads "
            f"would have about {by_chance:.2f}."
        )


def on_the_same_rows(records: Sequence[RunRecord], summaries: Sequence[Compared]) -> None:
    """Each run beside one of them, row by row, where both were measured on the same rows."""
    predictions = {
        one.title: read_predictions(run_folder(record.id) / (record.final_model or ""))
        for record, one in zip(records, summaries, strict=True)
    }
    readable = {title: read for title, read in predictions.items() if read is not None}
    if len(readable) < 2:
        st.caption("Needs two runs with saved predictions. Runs of earlier versions of Excise have none.")
        return
    against = st.selectbox("Each run minus", list(readable), key="against", bind="query-params")
    rows = []
    for title, own in readable.items():
        other = readable[against]
        if title == against or own.labels != other.labels:
            continue
        rows.append({"Run": title} | significance.compare([(own, other)], title).columns)
    if not rows:
        st.caption("None of the other runs was measured on the same test rows.")
        return
    st.dataframe(rows, hide_index=True, alt=f"Differences from {against}")
    st.caption(
        "In percentage points with the 95 % interval of a paired bootstrap over rows; p is McNemar's exact "
        "test. LFR is compared where both have the same number of triggered rows: compare runs of one "
        "trigger."
    )
