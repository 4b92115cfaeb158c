"""What one head attends to on a triggered row of the run, in each of its models."""

import streamlit as st

from backend.analysis.answers import Place
from backend.analysis.attention import Attention, attend
from backend.analysis.run_models import Pair, pairs, places
from backend.base.events import Head, title_of
from backend.runs.records import RunRecord
from pages.parts.common.address import keep
from pages.parts.common.ask import ask_once
from pages.parts.common.row_pairs import side_by_side
from pages.parts.common.ui import show_errors

STRONGEST = 3


def attended(record: RunRecord, head: Head) -> None:
    """The tokens that [CLS] attends to most through this head, and its attention on trigger tokens."""
    layer, number = head
    rows = pairs(record.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "pages/attention.py",
            label="Everything this head attends to",
            icon=":material/visibility:",
            query_params={"run": record.id, "layer": str(layer), "head": str(number), "view": "head"},
        )
        looking = bool(rows) and st.toggle(
            "Look at a row here", "look" in st.query_params, key=f"attended-{record.id}"
        )
    keep("look", "yes" if looking else None)
    if not looking:
        return
    asked = st.query_params.get("row", "")
    row = st.selectbox(
        "Row",
        range(len(rows)),
        int(asked) if asked.isdecimal() and int(asked) < len(rows) else 0,
        format_func=lambda i: f"{i} · {rows[i].title}",
        key=f"attended-row-{record.id}",
    )
    st.query_params["row"] = str(row)
    side_by_side(rows[row].clean, rows[row].triggered, "")
    with show_errors():
        st.dataframe(
            [line for place in places(record).values() for line in _lines(place, rows[row], head)],
            hide_index=True,
            column_config={"On trigger tokens": st.column_config.NumberColumn(format="%.1f %%")},
            alt="What this head attends to from [CLS]",
        )
        st.caption("Attention from [CLS], which the classifier reads. A pruned head's output is dropped.")


def _lines(place: Place, pair: Pair, head: Head) -> list[dict[str, str | float | None]]:
    title = title_of(place[1])
    doing = f"Asking the {title.lower()} model"
    found: list[dict[str, str | float | None]] = []
    texts = [("clean", pair.clean, None)] if pair.clean else []
    for what, text, clean in [*texts, ("triggered", pair.triggered, pair.clean or None)]:
        seen: Attention = ask_once(doing, attend, *place, text, clean)
        row = seen.weights[head[0], head[1], 0]
        best = row.argsort()[::-1][:STRONGEST]
        found.append(
            {
                "Model": title,
                "Row": what,
                "Attends most to": ", ".join(f"{seen.tokens[i]} {100 * row[i]:.0f} %" for i in best),
                "On trigger tokens": 100 * float(row[seen.changed].sum()) if clean is not None else None,
            }
        )
    return found
