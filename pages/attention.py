"""Attention: what each head looks at in one text, clean and triggered, in each model of a run."""

import numpy as np
import streamlit as st
from jaxtyping import Float

from backend.analysis.attention import Attention, around, attend, beside_changed, shared_tokens
from backend.analysis.run_models import places
from backend.base.events import Head, ModelName
from backend.base.numbers import count
from backend.report.bertviz import Panel, View, bertviz_page
from backend.report.figures import attention as attention_figures
from backend.report.figures import heads as head_figures
from backend.report.sentences import MODEL_TITLES
from backend.runs.records import RunRecord
from backend.runs.results import pruned_heads
from backend.runs.store import Store
from pages.parts.common.address import keep, one_of, some_of
from pages.parts.common.ask import ask_once
from pages.parts.common.ui import page_of, store, told, wide
from pages.parts.heads.select import choose_head, chosen_head, grid_of_heads, head_boxes
from pages.parts.runs.monitor import story_of
from pages.parts.runs.run_select import choose_run
from pages.parts.texts.text_select import Texts, choose_texts

VIEWS = {
    "row": "[CLS] row",
    "head": "One head",
    "trigger": "Trigger tokens",
    "heads": "bertviz heads",
    "model": "bertviz model",
}
CUT = ("pruned", "defended")
MOST = ["16", "24", "32", "48", "64", "96", "128"]
USUAL = "32"
# A browser draws so many in about two seconds.
MOST_LINES = 120_000
# So many tokens can be read on a chart of half the page's width.
SIDE_BY_SIDE = 20


def choose_view(record: RunRecord) -> tuple[ModelName, str, int]:
    """Model, view and how many tokens are drawn; all kept in the address."""
    models = list(places(record))
    model = st.segmented_control(
        "Model",
        models,
        format_func=MODEL_TITLES.__getitem__,
        default=one_of("model", models, models[-1]),
        required=True,
        key=f"attention-model-{record.id}",
    )
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        default=one_of("view", list(VIEWS), "row"),
        required=True,
        key=f"attention-view-{record.id}",
    )
    most = one_of("tokens", MOST, USUAL)
    if view != "trigger":
        most = st.selectbox(
            "Tokens drawn",
            MOST,
            MOST.index(most),
            key="attention-most",
            help="The model reads them all; these are shown.",
            width=160,
        )
    keep("model", model)
    keep("view", view)
    keep("tokens", most if most != USUAL else None)
    return model, view, int(most)


def choose_place(found: Attention, whole: bool) -> Head:
    """Layer and head in the address; both can be chosen here, the head alone where it matters."""
    layers, heads = found.weights.shape[:2]
    chosen = chosen_head(layers, heads) or (0, 0)
    choose_head(chosen)
    head_boxes(st.columns([1, 1, 4]), (layers, heads), chosen, "attention", whole)
    return chosen


def of_texts(record: RunRecord, model: ModelName, texts: Texts) -> list[tuple[str, Attention]]:
    """What the model attends to on each text."""
    doing = f"Asking the {MODEL_TITLES[model].lower()} model"
    place = places(record)[model]
    return [
        (name, ask_once(doing, attend, *place, text, texts.clean if text != texts.clean else None))
        for name, text in texts.both()
    ]


def pruned_note(model: ModelName, gone: list[Head], place: Head | None = None) -> None:
    """Pruned heads still attend."""
    if model not in CUT or not gone:
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
    options |= {name: f"The {MODEL_TITLES[name].lower()} model" for name in places(record) if name != model}
    chosen = st.segmented_control(
        "Less",
        list(options),
        format_func=options.__getitem__,
        default=one_of("less", list(options), "none"),
        required=True,
        key=f"attention-less-{record.id}-{model}",
        help="Differences are in points: orange where there is more attention now, blue where there is less. "
        "Against the clean text only tokens that both texts have are compared.",
    )
    keep("less", chosen if chosen != "none" else None)
    return chosen


def token_views(
    record: RunRecord, model: ModelName, texts: Texts, view: str, most: int, gone: list[Head]
) -> None:
    """The [CLS] row of all heads of a layer, or one head whole: as it is, or less something else."""
    found = of_texts(record, model, texts)
    layer, head = choose_place(found[0][1], whole=view == "head")
    less = choose_difference(record, model, texts)
    pruned_note(model, gone, (layer, head) if view == "head" else None)
    shown = found
    others: list[Attention] = []
    if less == "clean":
        shown = found[1:]
        others = [found[0][1]]
    elif less != "none":
        others = [one for _, one in of_texts(record, less, texts)]  # type: ignore[arg-type]
    drawn = drawn_tokens([one for _, one in found], most)[-len(shown) :]
    widest = max(len(places) for places in drawn)
    columns = wide(len(shown), "attention") if widest <= SIDE_BY_SIDE else [st.container()] * len(shown)
    grids = []
    for number, (_, now) in enumerate(shown):
        here, weights = less_another(now, others[number] if others else None, layer, drawn[number])
        grids.append((here, weights[:, 0] if view == "row" else weights[head]))
    reach = max(attention_figures.reach(grid) for _, grid in grids)
    for number, (column, (here, grid)) in enumerate(zip(columns, grids, strict=False)):
        name, now = shown[number]
        tokens = [now.tokens[i] for i in here]
        if view == "row":
            rows, axis = [f"head {i}" for i in range(len(grid))], "Head"
            title = f"{name}: what [CLS] attends to in layer {layer}"
        else:
            rows, axis = tokens, "From"
            title = f"{name}: layer {layer}, head {head}"
        with column.container(border=True):
            figure = attention_figures.token_grid(
                grid, rows, tokens, now.changed[here], title, ("Token", axis), reach, bool(others)
            )
            st.plotly_chart(figure, key=f"{view}-{number}-{record.id}", alt=title)
            _cut(len(drawn[number]), len(now.tokens), texts)
    if texts.triggered is not None:
        st.caption(
            "▸ marks the tokens that the trigger changed. The scale leaves out the first and last token."
        )


def less_another(
    now: Attention, other: Attention | None, layer: int, places: list[int]
) -> tuple[list[int], Float[np.ndarray, "head query key"]]:
    """A layer's attention between the tokens at `places`, less that of `other` where both have the token:
    which places are left, and the difference."""
    if other is None:
        return places, now.weights[layer][:, places][:, :, places]
    shared = zip(*shared_tokens(now.tokens, other.tokens), strict=True)
    here, there = map(list, zip(*[pair for pair in shared if pair[0] in places], strict=True))
    before = other.weights[layer][:, there][:, :, there]
    return here, now.weights[layer][:, here][:, :, here] - before


def drawn_tokens(found: list[Attention], most: int) -> list[list[int]]:
    """The places of the tokens of each text that are drawn: those around the trigger."""
    if len(found) == 1:
        return [around(found[0].changed, most)]
    clean, triggered = found
    return [around(beside_changed(clean, triggered), most), around(triggered.changed, most)]


def _cut(drawn: int, tokens: int, texts: Texts) -> None:
    if drawn < tokens:
        others = "after the first" if texts.triggered is None else "nearest to what the trigger changed"
        st.caption(
            f"{drawn} of the {tokens} tokens that the model read are drawn: the first, the last, and those "
            f"{others}. Attention to the rest is left out."
        )


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
    others = [name for name in places(record) if name != model]
    left, right = wide(2, "trigger")
    marks = gone if model in CUT else []
    with left.container(border=True, height="stretch"):
        key = f"mass-{record.id}-{model}"
        title = f"{MODEL_TITLES[model]}: attention on trigger tokens"
        figure = attention_figures.mass_grid(shares, title, "From [CLS]", marks, (layer, head))
        alt = f"{title}: its share of what [CLS] attends to, as a grid of heads by layer"
        grid_of_heads(figure, key, alt)
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
        usual = "poisoned" if "poisoned" in others else others[0]
        other = st.selectbox(
            "Less the",
            others,
            others.index(one_of("than", others, usual)),
            format_func=MODEL_TITLES.__getitem__,
            key=f"mass-less-{record.id}-{model}",
        )
        keep("than", other if other != usual else None)
        before = of_texts(record, other, texts)[-1][1].on_changed()
        changes = (100 * (shares - before)).tolist()
        title = f"{MODEL_TITLES[model]} less {MODEL_TITLES[other].lower()}"
        figure = head_figures.change_grid(changes, title, "Attention", marks, (layer, head))
        grid_of_heads(figure, f"mass-change-{record.id}-{model}-{other}", title)
    pruned_note(model, gone, (layer, head))


def bertviz_views(
    record: RunRecord, model: ModelName, texts: Texts, view: View, most: int, gone: list[Head]
) -> None:
    """bertviz's own drawings, clean and triggered, of one model or several."""
    found = of_texts(record, model, texts)
    every = range(found[0][1].weights.shape[0])
    layer, head, layers = 0, None, list(every)
    if view == "head_view":
        layer, head = choose_place(found[0][1], whole=True)
        only = st.toggle("Only this head", value="all" not in st.query_params, key="attention-only")
        keep("all", None if only else "yes")
        if not only:
            head = None
    models = [model, *choose_beside(record, model)]
    drawn = drawn_tokens([one for _, one in found], most)
    if view == "model_view":
        heads = found[0][1].weights.shape[1]
        of_a_layer = len(models) * heads * sum(len(places) ** 2 for places in drawn)
        fitting = max(1, MOST_LINES // of_a_layer)
        if fitting < len(layers):
            layers = sorted(
                st.multiselect(
                    "Layers",
                    every,
                    [*every][-fitting:],
                    key=f"attention-layers-{fitting}",
                    help="All layers at once would be slow to draw. Fewer tokens leave room for more.",
                )
            ) or [every[-1]]
    pruned_note(model, gone, (layer, head) if head is not None else None)
    panels = [
        _panel(f"{MODEL_TITLES[name]}: {title}", one, places, layers, gone if name in CUT else [])
        for name in models
        for (title, one), places in zip(of_texts(record, name, texts), drawn, strict=True)
    ]
    with st.container(border=True):
        drawing = bertviz_page(view, panels, layer, head)
        st.iframe(drawing, alt="Attention drawn by bertviz")
        st.download_button(
            "Drawing (HTML)",
            drawing,
            f"excise-{record.id}-{view.replace('_', '-')}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            key=f"bertviz-{view}-{record.id}",
            help="As it is drawn here, in one file that opens without a network.",
        )
        _cut(len(drawn[-1]), len(found[-1][1].tokens), texts)
        if any(panel.pruned for panel in panels):
            st.caption("Crosses mark pruned heads.")


def choose_beside(record: RunRecord, model: ModelName) -> list[ModelName]:
    """Other models to draw below; kept in the address."""
    others = [name for name in places(record) if name != model]
    chosen = st.segmented_control(
        "Beside it",
        others,
        format_func=MODEL_TITLES.__getitem__,
        selection_mode="multi",
        default=some_of("beside", others),
        key=f"attention-beside-{record.id}-{model}",
    )
    keep("beside", ",".join(chosen) or None)
    return [name for name in others if name in chosen]


def _panel(
    title: str, found: Attention, places: list[int], layers: list[int], pruned: list[Head] | None = None
) -> Panel:
    weights = found.weights[layers][:, :, places][:, :, :, places]
    return Panel(title, [found.tokens[i] for i in places], weights, layers, pruned or [])


def look(runs: Store) -> None:
    record = choose_run(runs)
    if record is None:
        return
    if not places(record):
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
        bertviz_views(record, model, texts, "head_view" if view == "heads" else "model_view", most, gone)


st.title("Attention", anchor=False)
st.caption("What each head looks at in one text, clean and with its trigger, in each model of a run.")
with told():
    look(store())
