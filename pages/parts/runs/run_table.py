"""Runs in a table, and their titles."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend import defenses, strategies
from backend.attacks import triggers
from backend.base.components import Choice, Component
from backend.base.numbers import age, duration, interval
from backend.findings.check import CheckLevel
from backend.findings.gather import gather
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import STATE_BADGES


def title_of(components: Mapping[str, Component], name: str | None) -> str:
    if name is None:
        return "–"
    return components[name].title if name in components else name


def strategies_of(record: RunRecord) -> tuple[Choice, ...]:
    """The strategies that order the heads of the run's defense; none where it prunes none."""
    params = record.spec.defense_params if record.spec else None
    return params.strategies() if params else ()


def strategy_title(record: RunRecord) -> str:
    """The strategies' titles; a dash where the defense prunes no heads."""
    titles = [title_of(strategies.COMPONENTS, choice.name) for choice in strategies_of(record)]
    return ", ".join(titles) or title_of(strategies.COMPONENTS, None)


def defense_name(record: RunRecord) -> str:
    """The defense by its title."""
    defense = record.spec.defense if record.spec else None
    return title_of(defenses.COMPONENTS, defense.name if defense else None)


def defense_title(record: RunRecord) -> str:
    """The defense, with the strategy where it is one among several; a check by that word."""
    defense = record.spec.defense if record.spec else None
    if record.spec is not None and record.spec.only_checks:
        return "Check"
    title = defense_name(record)
    return f"{title}: {strategy_title(record)}" if defense and "strategy" in defense.params else title


def trigger_title(record: RunRecord) -> str:
    trigger = record.spec.trigger if record.spec else None
    return title_of(triggers.COMPONENTS, trigger.name if trigger else None)


def check_level(runs: Store, record: RunRecord) -> CheckLevel | None:
    """The verdict of a run's check; None without one, and until the run is over."""
    if record.spec is None or record.spec.check is None or not record.over:
        return None
    key = f"check-level-{record.id}"
    kept: tuple[float | None, CheckLevel | None] | None = st.session_state.get(key)
    if kept is None or kept[0] != record.finished:
        verdict = gather(runs, record).check
        kept = (record.finished, None if verdict is None else verdict.level)
        st.session_state[key] = kept
    return kept[1]


def table(runs: Store, records: Sequence[RunRecord], key: str, chosen: str | None = None) -> RunRecord | None:
    """Runs as a table; the one whose row is selected, at first the run `chosen`."""
    columns = st.column_config
    rows = [row for row, record in enumerate(records) if record.id == chosen]
    event = st.dataframe(
        [_row(runs, record) for record in records],
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows}} if rows else None,
        column_config={
            "ACC": columns.NumberColumn(
                "ACC", format="%.1f %%", help="Clean test rows classified correctly."
            ),
            "LFR": columns.NumberColumn(
                "LFR",
                format="%.1f %%",
                help="Label flip rate; empty where no trigger is known or nothing was measured.",
            ),
            "Check": columns.TextColumn(help="Whether the last model is backdoored; empty without a check."),
            "ACC, 95 %": columns.TextColumn("95 %", help="Wilson's 95 % interval of ACC."),
            "LFR, 95 %": columns.TextColumn("95 %", help="Wilson's 95 % interval of LFR."),
            "Pruned": columns.NumberColumn(format="%d", help="Number of pruned heads at the end."),
            "Age": columns.TextColumn(help="How long ago it was queued."),
        },
        placeholder="–",
        alt="All runs",
    )
    picked = event.selection.rows
    return records[picked[0]] if picked and picked[0] < len(records) else None


def _row(runs: Store, record: RunRecord) -> dict[str, Any]:
    now = record.final_metrics
    level = check_level(runs, record)
    finished_pruning = record.summary is not None and "pruned" in record.summary.metrics
    return {
        "Name": record.name,
        "State": STATE_BADGES[record.state][0],
        "Trigger": trigger_title(record),
        "Defense": defense_name(record),
        "Strategy": strategy_title(record),
        "Check": None if level is None else level.capitalize(),
        "ACC": None if now is None else 100 * now.acc,
        "ACC, 95 %": None if now is None else interval(now.acc_interval),
        "LFR": None if now is None or now.lfr is None else 100 * now.lfr,
        "LFR, 95 %": None if now is None else interval(now.lfr_interval) or None,
        "Pruned": len(record.summary.pruned_heads) if record.summary and finished_pruning else None,
        "Duration": duration(record.seconds),
        "Age": age(record.created),
        "Run": record.id,
    }
