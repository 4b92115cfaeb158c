"""Switch off heads of one model and see how its predictions change."""

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.analysis.answers import Place, Said, say, shape_of
from backend.base.events import Head, ModelName, title_of
from backend.base.numbers import count, percent
from backend.report.figures import playground as playground_figures
from backend.runs.records import RunRecord
from pages.parts.common.address import keep, one_of
from pages.parts.common.ask import ask_once
from pages.parts.common.ui import change, plain, show_errors, small, wide
from pages.parts.texts.text_select import Texts


def switches(
    record: RunRecord,
    texts: Texts,
    whole: Mapping[Place, Sequence[Said]],
    label: str,
    gone: Sequence[Head],
) -> None:
    """A switch for every head of one of the run's models, and its predictions beside those with every head
    active (`whole`).  The address keeps model and heads."""
    if not whole:
        st.caption("This run has no model whose heads can be switched off.")
        return
    with show_errors():
        by_name = {place[1]: place for place in whole}
        model = _choose_model(record, list(by_name))
        place = by_name[model]
        shape = shape_of(place)
        key = f"silenced-{record.id}"
        left, right = wide(2, "switches")
        with left.container(border=True):
            switched_off = _choose_heads(key, shape, gone, model)
        max_length = record.spec.data.max_length if record.spec else 128
        spoken = [text for _, text in texts.both()]
        doing = f"Switching off {count(len(switched_off), 'head')}"
        now = ask_once(doing, say, [place], spoken, max_length, switched_off)[0]
        with right.container(border=True):
            _answers(texts, whole[place], now, label, len(switched_off))
            _cut_already(model, gone)


def _choose_model(record: RunRecord, models: Sequence[ModelName]) -> ModelName:
    start = one_of("model", models, "fine_tuned" if "fine_tuned" in models else models[0])
    chosen: ModelName = st.segmented_control(
        "Model",
        models,
        format_func=title_of,
        default=start,
        required=True,
        key=f"switches-model-{record.id}",
    )
    keep("model", chosen)
    return chosen


def _choose_heads(key: str, shape: tuple[int, int], gone: Sequence[Head], model: ModelName) -> list[Head]:
    """The heads to switch off: by a click on the grid, by name, or by a button."""
    layers, heads = shape
    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    if key not in st.session_state:
        st.session_state[key] = _from_address(every)
    st.session_state[key] = [head for head in st.session_state[key] if head in every]
    grid = f"{key}-grid-{st.session_state.get(f'{key}-clicks', 0)}"
    place = st.container()
    switched_off: list[Head] = st.multiselect(
        "Heads switched off",
        every,
        format_func=lambda head: f"layer {head[0]}, head {head[1]}",
        key=key,
        placeholder="None: every head is active",
    )
    with place:
        st.plotly_chart(
            playground_figures.switch_grid(
                shape, switched_off, gone, f"Heads of the {title_of(model).lower()} model"
            ),
            key=grid,
            on_select=lambda: _clicked(key, grid),
            selection_mode=("points", "box"),
            alt="A switch for every head; the field below does the same by name",
        )
    with st.container(horizontal=True):
        st.button(
            "Switch off this run's pruned heads",
            icon=":material/content_cut:",
            disabled=not gone,
            help=None if gone else "This run has not pruned any head.",
            on_click=lambda: st.session_state.update({key: list(gone)}),
            key=f"{key}-pruned",
        )
        st.button(
            "Switch all heads on",
            icon=":material/undo:",
            disabled=not switched_off,
            on_click=lambda: st.session_state.update({key: []}),
            key=f"{key}-none",
        )
    keep("heads", ",".join(f"{layer}.{head}" for layer, head in switched_off) or None)
    return switched_off


def _from_address(every: Sequence[Head]) -> list[Head]:
    """The heads that the address names; names of no head are ignored."""
    names = {f"{layer}.{head}": (layer, head) for layer, head in every}
    asked = [name.strip() for name in st.query_params.get("heads", "").split(",") if name.strip()]
    if any(name not in names for name in asked):
        st.caption("Ignored heads in the link that this model does not have.")
    return [names[name] for name in dict.fromkeys(asked) if name in names]


def _clicked(key: str, grid: str) -> None:
    """Switch the heads that were just clicked; the next grid is a new one, with nothing selected."""
    chosen = st.session_state[grid]["selection"]["points"]
    touched = {
        tuple(int(number) for number in point["customdata"]) for point in chosen if point.get("customdata")
    }
    if not touched:
        return
    before = {tuple(head) for head in st.session_state[key]}
    st.session_state[key] = sorted(before ^ touched)
    st.session_state[f"{key}-clicks"] = st.session_state.get(f"{key}-clicks", 0) + 1


def _answers(texts: Texts, before: Sequence[Said], now: Sequence[Said], label: str, number: int) -> None:
    than = ", and the change" if number else ""
    st.markdown(f"**Probability of {plain(label)}** with {count(number, 'head')} switched off{than}")
    for column, (name, _), was, one in zip(small(len(now), "moved"), texts.both(), before, now, strict=False):
        with column:
            st.metric(
                name,
                percent(one.shares.get(label)),
                **change(was.shares.get(label) if number else None, one.shares.get(label), "off"),
            )
            if was.called == one.called:
                st.caption(f"Prediction **{plain(one.called)}**")
            else:
                st.caption(
                    f":material/swap_horiz: Prediction **{plain(one.called)}**, before {plain(was.called)}"
                )


def _cut_already(model: ModelName, gone: Sequence[Head]) -> None:
    if model in ("pruned", "defended") and gone:
        st.caption(
            f":material/content_cut: The {count(len(gone), 'head')} that this run pruned (rings) have no "
            "effect in this model. Choose the fine-tuned model to see what they do."
        )
