"""Runs as cards: state and verdict, the numbers with the way they went, a way in."""

from collections.abc import Sequence

import streamlit as st

from backend.base.events import STAGE_TITLES
from backend.base.numbers import age, duration, interval, percent
from backend.runs.progress import Story
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import open_run, plain, small, state_badge
from pages.parts.runs.monitor import story_of
from pages.parts.runs.run_table import strategy_title, trigger_title
from pages.parts.runs.verdict import badge, kept_verdict


def cards(store: Store, records: Sequence[RunRecord], key: str, per_row: int = 3) -> None:
    """Runs as cards that open them."""
    for start in range(0, len(records), per_row):
        columns = small(per_row, f"{key}-{start}")
        for column, record in zip(columns, records[start : start + per_row], strict=False):
            with column.container(border=True, height="stretch"):
                _card(store, record, key)


def _card(store: Store, record: RunRecord, key: str) -> None:
    story = story_of(store, record)
    with st.container(horizontal=True, gap="small"):
        state_badge(record.state)
        found = kept_verdict(store, record, story)
        if found is not None:
            badge(found.level)
    st.markdown(f"**{plain(record.name)}**")
    st.caption(f"{_doing(record)} · {age(record.created)} · {duration(record.seconds)}")
    if record.final_metrics is not None:
        _numbers(story, record)
    elif record.stage is not None and not record.over:
        titles: dict[str, str] = dict(STAGE_TITLES.items())
        st.markdown(f"{titles.get(record.stage, record.stage)}…")
    if st.button("Open", icon=":material/open_in_new:", key=f"{key}-{record.id}"):
        open_run(record)


def _numbers(story: Story, record: RunRecord) -> None:
    """ACC and LFR in the end, each over how it went from model to model and from step to step."""
    now = record.final_metrics
    assert now is not None
    left, right = st.columns(2)
    left.metric("ACC", percent(now.acc), chart_data=_path(story, "acc"))
    left.caption(interval(now.acc_interval))
    right.metric("LFR", "not known" if now.lfr is None else percent(now.lfr), chart_data=_path(story, "lfr"))
    if now.lfr is not None:
        right.caption(interval(now.lfr_interval))


def _path(story: Story, measure: str) -> list[float] | None:
    """Percentages in the order of the story: planted, fine-tuned, each pruning step, pruned, defended."""
    models = story.metrics
    before = [models[name] for name in ("poisoned", "fine_tuned") if name in models]
    after = [models[name] for name in ("pruned", "defended") if name in models]
    values = [getattr(one, measure) for one in [*before, *story.steps, *after]]
    known = [100 * value for value in values if value is not None]
    return known if len(known) > 1 else None


def _doing(record: RunRecord) -> str:
    parts = [plain(trigger_title(record))] if record.spec and record.spec.trigger else []
    if record.spec and record.spec.defense:
        parts.append(plain(strategy_title(record)))
    return " → ".join(parts) or f"Run {record.id}"
