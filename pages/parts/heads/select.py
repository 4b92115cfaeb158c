"""The head that is shown: kept in the address, chosen by a click on any grid of heads."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend.base.events import Head
from pages.parts.common.address import keep


def chosen_head(layers: int, heads: int) -> Head | None:
    """The head in the address, if the grid has it."""
    layer, head = st.query_params.get("layer", ""), st.query_params.get("head", "")
    if layer.isdecimal() and head.isdecimal() and int(layer) < layers and int(head) < heads:
        return int(layer), int(head)
    return None


def choose_head(head: Head) -> None:
    keep("layer", str(head[0]))
    keep("head", str(head[1]))


def head_boxes(
    columns: Sequence[DeltaGenerator], size: tuple[int, int], chosen: Head, key: str, whole: bool = True
) -> None:
    """Layer and head to choose by number, the layer alone unless `whole`; a choice redraws the page."""
    picked = list(chosen)
    for place, (column, name) in enumerate(zip(columns, ("layer", "head"), strict=False)):
        if name == "layer" or whole:
            now = chosen[place]
            picked[place] = column.selectbox(
                name.capitalize(), range(size[place]), now, key=f"{key}-{name}-{now}"
            )
    if (picked[0], picked[1]) != chosen:
        choose_head((picked[0], picked[1]))
        st.rerun()


def grid_of_heads(figure: go.Figure, key: str, alt: str) -> None:
    """A grid on which a click chooses a head.

    The grid that follows a click is a new one, with nothing selected: on the old one a second click on the
    same head would only undo the selection."""
    grid = f"{key}-{st.session_state.get(f'{key}-clicks', 0)}"
    st.plotly_chart(figure, key=grid, on_select=lambda: _clicked(key, grid), selection_mode="points", alt=alt)


def _clicked(key: str, grid: str) -> None:
    points = st.session_state[grid]["selection"]["points"]
    clicked = [point["customdata"] for point in points if point.get("customdata")]
    if clicked:
        choose_head((int(clicked[0][0]), int(clicked[0][1])))
        st.session_state[f"{key}-clicks"] = st.session_state.get(f"{key}-clicks", 0) + 1
