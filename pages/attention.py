"""Attention: what each head looks at in one text, clean and triggered, in each model of a run."""

import streamlit as st

from backend.events import Head, ModelName
from backend.inspection.attention import Attention, attend, draw, shared_tokens
from backend.inspection.material import models_left
from backend.report import attention_figures, head_figures
from backend.report.numbers import count
from backend.report.words import MODEL_TITLES
from backend.runs.export import pruned_heads
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.asking import ask, ask_once
from pages.parts.choosing import choose_run
from pages.parts.head_importance import choose_head
from pages.parts.monitor import story_of
from pages.parts.texts import Texts, choose_texts
from pages.parts.ui import enter, page_of, store, told, wide

VIEWS = {
    "row": "[CLS] row",
    "head": "One head",
    "trigger": "Trigger tokens",
    "heads": "bertviz heads",
    "model": "bertviz model",
}
MOST = [16, 24, 32, 48, 64, 96, 128]
TALLEST = 1400


def from_address(name: str, options: list[str], default: str) -> str:
    asked = st.query_params.get(name, default)
    return asked if asked in options else default


def choose_view(record: RunRecord) -> tuple[ModelName, str, int]:
    """Model, view and how many tokens are drawn; all kept in the address."""
    models: list[ModelName] = models_left(record.id)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        model = st.segmented_control(
            "Model",
            models,
            format_func=MODEL_TITLES.__getitem__,
            default=from_address("model", [*models], models[-1]),
            required=True,
            key=f"attention-model-{record.id}",
        )
        view = st.segmented_control(
            "View",
            list(VIEWS),
            format_func=VIEWS.__getitem__,
            default=from_address("view", list(VIEWS), "row"),
            required=True,
            key=f"attention-view-{record.id}",
        )
    most = right.selectbox(
        "Tokens drawn", MOST, 2, key="attention-most", help="The model reads them all; these are shown."
    )
    st.query_params["model"], st.query_params["view"] = model, view
    return model, view, most


def choose_place(found: Attention, whole: bool) -> Head:
    """Layer and head in the address; both can be chosen here, the head alone where it matters."""
    layers, heads = found.weights.shape[:2]
    chosen = []
    columns = st.columns([1, 1, 4])
    for column, name, size in zip(columns, ("layer", "head"), (layers, heads), strict=False):
        asked = st.query_params.get(name, "")
        now = int(asked) if asked.isdecimal() and int(asked) < size else 0
        if name == "layer" or whole:
            now = column.selectbox(name.capitalize(), range(size), now, key=f"attention-{name}-{now}")
        st.query_params[name] = str(now)
        chosen.append(now)
    return chosen[0], chosen[1]


def of_texts(record: RunRecord, model: ModelName, texts: Texts) -> list[tuple[str, Attention]]:
    """What the model attends to on each text."""
    doing = f"Asking the {MODEL_TITLES[model].lower()} model"
    return [
        (name, ask_once(doing, attend, record.id, model, text, texts.clean if text != texts.clean else None))
        for name, text in texts.both()
    ]


def pruned_note(record: RunRecord, model: ModelName, gone: list[Head], place: Head | None = None) -> None:
    """Pruned heads still attend."""
    if model not in ("pruned", "defended") or not gone:
        return
    if place is not None and place in gone:
        st.caption(
            f":material/content_cut: Layer {place[0]}, head {place[1]} is **pruned** in this model: it still "
            "attends, but what it finds is dropped."
        )
    elif place is None:
        st.caption(
            f":material/content_cut: {count(len(gone), 'head')} of this model are pruned: they still attend, "
            "but what they find is dropped."
        )


def choose_difference(record: RunRecord, model: ModelName, texts: Texts) -> str:
    """What is taken off: nothing, the clean text, or another model on the same text."""
    options = {"none": "Nothing"} | ({"clean": "The clean text"} if texts.triggered is not None else {})
    options |= {
        name: f"The {MODEL_TITLES[name].lower()} model" for name in models_left(record.id) if name != model
    }
    chosen = st.segmented_control(
        "Less",
        list(options),
        format_func=options.__getitem__,
        default=from_address("less", list(options), "none"),
        required=True,
        key=f"attention-less-{record.id}-{model}",
        help="Differences are in points: orange where there is more attention now, blue where there is less. "
        "Against the clean text only tokens that both texts have are compared.",
    )
    st.query_params["less"] = chosen
    return chosen


def token_views(
    record: RunRecord, model: ModelName, texts: Texts, view: str, most: int, gone: list[Head]
) -> None:
    """The [CLS] row of all heads of a layer, or one head whole: as it is, or less something else."""
    found = of_texts(record, model, texts)
    layer, head = choose_place(found[0][1], whole=view == "head")
    less = choose_difference(record, model, texts)
    pruned_note(record, model, gone, (layer, head) if view == "head" else None)
    shown = found
    others: list[Attention] = []
    if less == "clean":
        shown = found[1:]
        others = [found[0][1]]
    elif less != "none":
        others = [one for _, one in of_texts(record, less, texts)]  # type: ignore[arg-type]
    for number, column in enumerate(wide(len(shown), "attention")[: len(shown)]):
        name, now = shown[number]
        here = list(range(len(now.tokens)))
        before = None
        if others:
            here, there = shared_tokens(now.tokens, others[number].tokens)
            before = others[number].weights[layer][:, there][:, :, there]
        weights = now.weights[layer][:, here][:, :, here]
        change = weights if before is None else weights - before
        cut = slice(0, most)
        tokens = [now.tokens[i] for i in here][cut]
        if view == "row":
            grid, rows, axis = change[:, 0, cut], [f"head {i}" for i in range(len(change))], "Head"
            title = f"{name}: what [CLS] attends to in layer {layer}"
        else:
            grid, rows, axis = change[head][cut, cut], tokens, "From"
            title = f"{name}: layer {layer}, head {head}"
        with column.container(border=True):
            figure = attention_figures.token_grid(
                grid, rows, tokens, now.changed[here][cut], title, ("Token", axis), before is not None
            )
            st.plotly_chart(figure, key=f"{view}-{number}-{record.id}", alt=title)
            _cut(len(here), most)
    if texts.triggered is not None:
        st.caption(
            "▸ marks the tokens that the trigger changed. The scale leaves out the first and last token."
        )


def _cut(tokens: int, most: int) -> None:
    if tokens > most:
        st.caption(f"The first {most} of {tokens} tokens are drawn; the model read them all.")


def trigger_view(record: RunRecord, model: ModelName, texts: Texts, gone: list[Head]) -> None:
    """Attention from [CLS] on the trigger's tokens, for every head of the model, and against another."""
    if texts.triggered is None:
        st.caption("This text has no trigger. Choose a row, or apply a trigger to your text.")
        return
    found = of_texts(record, model, texts)[-1][1]
    if not found.changed.any():
        st.caption("The trigger changed no token that the model read: it took words away, or was cut off.")
        return
    layer, head = choose_place(found, whole=True)
    shares = found.on_changed()
    others: list[ModelName] = [name for name in models_left(record.id) if name != model]
    left, right = wide(2, "trigger")
    marks = gone if model in ("pruned", "defended") else []
    with left.container(border=True, height="stretch"):
        key = f"mass-{record.id}-{model}"
        figure = attention_figures.mass_grid(
            shares, f"{MODEL_TITLES[model]}: attention on trigger tokens", "From [CLS]", marks, (layer, head)
        )
        picked = st.plotly_chart(figure, key=key, on_select="rerun", selection_mode="points", alt=key)
        choose_head(picked["selection"]["points"] if picked else [], key)
        even = found.changed.sum() / len(found.tokens)
        st.caption(
            f"{count(int(found.changed.sum()), 'token')} of {len(found.tokens)} changed; a head that "
            f"attends to all alike puts {100 * even:.1f} % there. Layer {layer}, head {head}: "
            f"**{100 * shares[layer, head]:.1f} %**."
        )
    with right.container(border=True, height="stretch"):
        if not others:
            st.caption("This run left no other model to compare with.")
            return
        start = others.index("poisoned") if "poisoned" in others else 0
        other = st.selectbox(
            "Less the",
            others,
            start,
            format_func=MODEL_TITLES.__getitem__,
            key=f"mass-less-{record.id}-{model}",
        )
        before = of_texts(record, other, texts)[-1][1].on_changed()
        changes = (100 * (shares - before)).tolist()
        title = f"{MODEL_TITLES[model]} less {MODEL_TITLES[other].lower()}"
        figure = head_figures.change_grid(changes, title, "Attention", marks, (layer, head))
        st.plotly_chart(figure, key=f"mass-change-{record.id}-{model}", alt=title)
    pruned_note(record, model, gone, (layer, head))


def bertviz_views(
    record: RunRecord, model: ModelName, texts: Texts, view: str, most: int, gone: list[Head]
) -> None:
    """bertviz's own drawings, clean and triggered."""
    found = of_texts(record, model, texts)
    layers, heads = found[0][1].weights.shape[:2]
    drawn: list[int] = list(range(layers))
    head: int | None = None
    if view == "heads":
        layer, head = choose_place(found[0][1], whole=True)
        drawn = [layer]
        if not st.toggle("Only this head", value=True, key="attention-only"):
            head = None
    elif layers > 6 or most > 48:
        drawn = st.multiselect("Layers", range(layers), drawn[:6], key="attention-layers") or drawn[:1]
    pruned_note(record, model, gone, (drawn[0], head) if head is not None else None)
    columns = wide(len(found), "bertviz") if view == "heads" else [st.container()] * len(found)
    for column, (name, text), (_, one) in zip(columns, texts.both(), found, strict=False):
        with column.container(border=True):
            st.markdown(f"**{name}**")
            shown = min(most, len(one.tokens))
            page = ask("Drawing", draw, record.id, model, text, view, most, drawn, head)
            st.iframe(page, height=_height(view, shown, len(drawn), heads), alt=f"bertviz: {name}")
            _cut(len(one.tokens), most)


def _height(view: str, tokens: int, layers: int, heads: int) -> int:
    """Pixels that bertviz needs: 22.5 a token, or 84 / heads a token and layer beside 18 a token."""
    if view == "heads":
        return min(TALLEST, round(110 + 22.5 * tokens))
    thumbnails = layers * (tokens * 84 / heads + 10) + 40
    return min(TALLEST, round(max(thumbnails, 18 * tokens + 55) + 60))


def look(runs: Store) -> None:
    record = choose_run(runs)
    if record is None:
        return
    if not models_left(record.id):
        st.caption("This run has left no model (yet), or its models are gone.")
        return
    st.page_link(
        page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
    )
    gone = [(layer, head) for layer, head in pruned_heads(record, story_of(runs, record).steps)]
    texts = choose_texts(record)
    model, view, most = choose_view(record)
    if texts is None:
        return
    if view in ("row", "head"):
        token_views(record, model, texts, view, most, gone)
    elif view == "trigger":
        trigger_view(record, model, texts, gone)
    else:
        bertviz_views(record, model, texts, view, most, gone)


enter()
st.title("Attention", anchor=False)
st.caption("What each head looks at in one text, clean and with its trigger, in each model of a run.")
with told():
    look(store())
