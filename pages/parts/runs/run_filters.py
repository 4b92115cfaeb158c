"""Filters over runs: by trigger, defense, strategy, state and name.  The address keeps them."""

from collections.abc import Callable, Sequence

from backend.runs.records import RunRecord
from pages.parts.common.ui import STATE_BADGES, small
from pages.parts.runs.run_table import defense_name, strategy_title, trigger_title


def state_title(record: RunRecord) -> str:
    return STATE_BADGES[record.state][0]


FILTERS: dict[str, Callable[[RunRecord], str]] = {
    "Trigger": trigger_title,
    "Defense": defense_name,
    "Strategy": strategy_title,
    "State": state_title,
}


def narrowed(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs that pass the filters; a filter with nothing chosen lets all pass."""
    columns = small(len(FILTERS) + 1, "filters")
    words = columns[-1].text_input(
        "Search names",
        key="words",
        bind="query-params",
        placeholder="Part of a name or an id",
        help="Shows runs whose name or id contains every word.",
    )
    passing = [record for record in records if _holds(record, words)]
    for column, (label, title_of) in zip(columns, FILTERS.items(), strict=False):
        titles = sorted({title_of(record) for record in records})
        wanted = column.multiselect(
            label, titles, key=label.lower(), bind="query-params", placeholder=f"Every {label.lower()}"
        )
        passing = [record for record in passing if not wanted or title_of(record) in wanted]
    return passing


def _holds(record: RunRecord, words: str) -> bool:
    text = f"{record.name} {record.id}".casefold()
    return all(word in text for word in words.casefold().split())
