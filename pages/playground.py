"""Playground: type a sentence, apply a trigger, see what each model predicts, switch off heads one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from backend.analysis.answers import Attributed, Place, Said, attribute, say
from backend.analysis.run_models import places
from backend.base.events import Head, title_of
from backend.base.paths import run_folder
from backend.detection import clean_model
from backend.report.figures import playground as playground_figures
from backend.runs.records import RunRecord
from backend.runs.relatives import never_poisoned_model, never_poisoned_spec
from backend.runs.results import pruned_heads
from backend.runs.store import Store
from pages.parts.common.ask import ask_once
from pages.parts.common.ui import open_run, page_of, plain, show_errors, store, wide
from pages.parts.runs.actions import submit
from pages.parts.runs.monitor import session_progress
from pages.parts.runs.run_select import choose_run
from pages.parts.texts.head_switches import switches
from pages.parts.texts.text_select import Texts, choose_texts

STRONGEST = 3
NEVER_POISONED, CLEAN = "Never poisoned", "Clean reference"


def look(runs: Store) -> None:
    record = choose_run(runs)
    if record is None:
        return
    voices = voices_of(runs, record)
    if not voices:
        st.caption("This run has no saved models: it has not produced one yet, or they were deleted.")
        return
    st.page_link(
        page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
    )
    texts = choose_texts(record)
    if texts is None:
        return
    max_length = record.spec.data.max_length if record.spec else 128
    spoken = [text for _, text in texts.both()]
    said = ask_once("Asking the models", say, [voice.place for voice in voices], spoken, max_length)
    st.subheader("What each model predicts", anchor=False)
    labels = list(dict.fromkeys(label for row in said for label in row[0].shares))
    data = session_progress(runs, record).data
    target = data.label_names[data.target_class] if data and data.target_class is not None else None
    label = choose_class(record, labels, target or said[-1][0].called)
    answers(voices, texts, said, label, record.id)
    reference_note(runs, record, voices)
    st.subheader("Switch off heads", anchor=False)
    gone: list[Head] = [
        (layer, head) for layer, head in pruned_heads(record, session_progress(runs, record).steps)
    ]
    heard = list(zip(voices, said, strict=True))
    own = places(record).values()
    whole = {voice.place: row for voice, row in heard if voice.place in own}
    st.fragment(switches)(record, texts, whole, label, gone)
    st.subheader("Why", anchor=False)
    if st.toggle("Colour the text by what each token adds", value=True, key="playground-why"):
        knowing = [voice for voice, row in heard if label in row[0].shares]
        attributions(knowing, texts, label, max_length)


@dataclass(frozen=True)
class Voice:
    """A model that is asked, and its title here."""

    title: str
    place: Place


def voices_of(runs: Store, record: RunRecord) -> list[Voice]:
    """The never-poisoned reference where a run has trained one, or a check's clean model; then
    the models of this run's progress."""
    voices = []
    reference = never_poisoned_model(runs, record)
    if reference is not None and reference.id != record.id:
        voices.append(Voice(NEVER_POISONED, (reference.id, "fine_tuned")))
    elif (run_folder(record.id) / clean_model.FOLDER / "config.json").is_file():
        voices.append(Voice(CLEAN, (record.id, clean_model.FOLDER)))
    return voices + [Voice(title_of(name), place) for name, place in places(record).items()]


def reference_note(runs: Store, record: RunRecord, voices: Sequence[Voice]) -> None:
    """How to get a clean reference where there is none."""
    if voices[0].title == NEVER_POISONED:
        return
    if voices[0].title == CLEAN:
        st.caption("The clean reference is the model that the check trained on your rows.")
        return
    spec = never_poisoned_spec(runs, record)
    if spec is None and record.spec and record.spec.model.source == "embedded":
        st.caption("Nothing was planted in this run: its own models are clean references.")
        return
    if spec is None:
        st.caption(
            "No clean reference: Excise does not know what this model was before. Compare with a model that "
            "you trust."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "No clean reference yet: no run has trained this model on these data without a backdoor.",
            width="content",
        )
        if st.button("Train one", icon=":material/verified_user:", key=f"reference-{record.id}"):
            open_run(submit(runs, [spec])[0])


def choose_class(record: RunRecord, labels: list[str], default: str) -> str:
    """The class that is drawn: the one in the address, or else the default."""
    asked = st.query_params.get("class", default)
    chosen = st.selectbox(
        "Probability of",
        labels,
        labels.index(asked) if asked in labels else 0,
        key=f"class-{record.id}",
        help="The class that probabilities and colours refer to. It starts as the trigger's target class.",
    )
    st.query_params["class"] = chosen
    return chosen


def answers(
    voices: Sequence[Voice], texts: Texts, said: Sequence[Sequence[Said]], label: str, key: str
) -> None:
    """What each model predicts, as bars, and all classes as a table."""
    named = [name for name, _ in texts.both()]
    drawn = [
        (voice.title, name, one.shares.get(label, 0.0), one.called)
        for voice, row in zip(voices, said, strict=True)
        for name, one in zip(named, row, strict=True)
    ]
    with st.container(border=True):
        figure = playground_figures.answer_bars(drawn, label)
        st.plotly_chart(figure, key=f"answers-{key}", alt=f"Probability of {label} by each model")
        with st.expander("All classes as a table", icon=":material/table_rows:"):
            share = st.column_config.NumberColumn(format="%.1f %%")
            st.dataframe(
                [
                    {"Model": voice.title, "Text": name, "Prediction": one.called}
                    | {name: 100 * value for name, value in one.shares.items()}
                    for voice, row in zip(voices, said, strict=True)
                    for name, one in zip(named, row, strict=True)
                ],
                hide_index=True,
                column_config=dict.fromkeys(said[0][0].shares, share),
                alt="What each model predicts",
            )


def attributions(voices: Sequence[Voice], texts: Texts, label: str, max_length: int) -> None:
    """The texts coloured by what each token adds, for every model that knows the class."""
    found: list[tuple[Voice, list[Attributed]]] = []
    for voice in voices:
        doing = f"Asking the {voice.title.lower()} model why"
        parts = [ask_once(doing, attribute, voice.place, text, label, max_length) for _, text in texts.both()]
        found.append((voice, parts))
    values = [abs(value) for _, parts in found for one in parts for _, value in one.pieces if value]
    reach = max(values, default=0.0)
    st.html(playground_figures.legend(label))
    for voice, parts in found:
        with st.container(border=True, gap="small"):
            st.markdown(f"**{voice.title}**")
            columns = wide(len(parts), f"why-{voice.title}")
            for column, (name, _), one in zip(columns, texts.both(), parts, strict=True):
                with column:
                    st.html(playground_figures.coloured(one.pieces, reach))
                    strongest = ", ".join(
                        f"“{text}” {_signed(value)}" for text, value in one.strongest(STRONGEST)
                    )
                    st.caption(plain(f"{name}: {strongest or 'no token has an effect'}"))
    st.caption(
        "Integrated gradients over the word embeddings: how much each token adds to the log-odds of "
        f"“{plain(label)}”, compared with a text of only padding. All texts share one scale; struck-out "
        "text was not read by the model."
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


st.title("Playground", anchor=False)
st.caption("Type a sentence, apply a trigger, see what each model predicts, and switch off heads one by one.")
with show_errors():
    look(store())
