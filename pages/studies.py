"""Studies: grids of runs, started here or from YAML: their progress and their results."""

from collections.abc import Callable

import streamlit as st

from backend.base.numbers import age, count
from backend.report.figures import studies as figures
from backend.runs.store import Store
from backend.studies import exports, results
from backend.studies import store as study_store
from backend.studies.spec import places
from backend.studies.store import StudyRecord
from pages.parts.common.ui import plain, show_errors, store
from pages.parts.studies.grid import beside, choose_one, heads_gone, queue, state_grid
from pages.parts.studies.replication import replication_panel
from pages.parts.studies.select import choose

REFRESH_SECONDS = 3.0


def start(runs: Store) -> None:
    """Choose a study, see how many runs it needs, queue it."""
    with st.container(border=True):
        st.subheader("Start a study", anchor=False)
        with show_errors():
            study = choose()
            if study is None:
                return
            runs_asked = count(len(places(study)), "run")
            st.markdown(
                f"{count(len(study.victims), 'victim')} × {count(len(study.defenses), 'defense')} × "
                f"{count(len(set(study.seeds)), 'seed')} = **{runs_asked}**. Runs of one victim "
                "and seed share its poisoning and, where the settings are equal, its fine-tunings."
            )
            if st.button(f"Queue {runs_asked}", type="primary", icon=":material/play_arrow:"):
                record = study_store.current(runs, study)
                queue(runs, record)
                st.query_params["study"] = record.id
                st.rerun()


def pick(started: list[StudyRecord]) -> str | None:
    """The study in the address, or one chosen from those that were started."""
    ids = [record.id for record in started]
    # The end of the id tells studies of one name apart, which a widget needs.
    titles = {one.id: f"{one.study.name} · {age(one.created)} · {one.id[-8:]}" for one in started}
    asked = st.query_params.get("study")
    if asked is not None and asked not in ids:
        st.warning(f"There is no study {plain(asked)} in this store.", icon=":material/warning:")
    chosen = st.selectbox(
        "Started studies",
        ids,
        ids.index(asked) if asked in ids else None,
        format_func=titles.__getitem__,
        placeholder="Choose one",
        key=f"started-{asked}-{hash(tuple(ids))}",
    )
    if chosen is not None and chosen != asked:
        st.query_params["study"] = chosen
        st.rerun()
    return chosen


def show(runs: Store, study: str, was_over: bool) -> None:
    """The grid of states and the table of the results so far."""
    with show_errors():
        record = study_store.read_study_record(runs, study)
        if record.complete and not was_over:
            st.rerun()
        st.subheader(plain(record.study.name), anchor=False)
        if record.study.question:
            st.caption(plain(record.study.question))
        actions(runs, record)
        if record.problem is not None:
            st.warning(plain(record.problem), icon=":material/warning:")
            return
        state_grid(runs, record)
        rows = results.rows(record)
        problems = [line for line in results.not_done(record) if line.startswith("Failed")]
        for problem in problems[:3]:
            st.error(plain(problem), icon=":material/error:")
        if len(problems) > 3:
            others = count(len(problems) - 3, "other message")
            st.caption(f"{others}: choose the failed runs above to read them.")
        st.markdown("**Results** in percent, mean ± standard deviation over the seeds that are done")
        st.dataframe(results.table(rows), hide_index=True, alt="Results of the study")
        for doubt in results.doubtful_floors(record):
            st.caption(f":material/info: {plain(doubt)}")
        st.caption(
            "LFR, never poisoned: LFR of a clean model with the same seed. Excess LFR: LFR minus that, "
            "where both were measured on the same rows. "
            "Pruned alone: before the second fine-tuning."
        )
        victim = choose_one("Victim", list(record.study.victims), f"victim-{study}")
        rows_of_victim = [row for row in rows if row.victim == victim]
        if any(row.lfr and row.acc for row in rows_of_victim):
            figure = figures.study_scatter(rows_of_victim)
            st.plotly_chart(figure, key=f"scatter-{study}", alt="ACC against LFR of each defense")
            beside(record, victim)
        if idle := results.took_nothing(record, victim):
            names = ", ".join(map(plain, idle))
            st.caption(
                f":material/info: The guardrail let {names} prune no head: accuracy fell below τ at the "
                "first step, or was below it before. Their results come from fine-tuning alone."
            )
        heads_gone(runs, record, victim)
        downloads(record)


def actions(runs: Store, record: StudyRecord) -> None:
    states = record.states()
    again = states.get("failed", 0) + states.get("cancelled", 0) + states.get("waiting", 0)
    with st.container(horizontal=True):
        if not record.over and st.button(
            "Cancel unfinished runs", icon=":material/cancel:", key="cancel-study"
        ):
            study_store.cancel(runs, record)
            st.rerun(scope="app")
        if again and st.button(f"Resume {count(again, 'run')}", icon=":material/resume:", key="resume-study"):
            with show_errors():
                queue(runs, record)
                st.rerun(scope="app")
        if record.over:
            forget(runs, record)


def forget(runs: Store, record: StudyRecord) -> None:
    """Delete at the second click, with or without the runs, whose numbers and models cannot be restored."""
    with st.popover("Delete", icon=":material/delete:", key="delete-study"):
        st.markdown(
            f"**{plain(record.study.name)}** will be deleted. Its runs stay on the Runs page, unless you "
            "delete them too, with their numbers and models."
        )
        with_runs = st.toggle("Delete its runs too", key=f"delete-runs-{record.id}")
        if st.button("Delete for good", type="primary", icon=":material/delete_forever:", key="forget-study"):
            with show_errors():
                study_store.forget(runs, record, with_runs)
                st.query_params.clear()
                st.rerun(scope="app")


def downloads(record: StudyRecord) -> None:
    writers: dict[str, tuple[str, Callable[[StudyRecord], str]]] = {
        "CSV, one line per run": ("csv", exports.as_csv),
        "Markdown": ("md", exports.as_markdown),
        "LaTeX": ("tex", exports.as_latex),
        "JSON": ("json", exports.as_json_text),
    }
    with st.container(horizontal=True):
        for label, (ending, write) in writers.items():
            st.download_button(
                label,
                write(record),
                f"{record.id}.{ending}",
                icon=":material/download:",
                key=f"study-{ending}",
                on_click="ignore",
            )


st.title("Studies", anchor=False)
st.caption(
    "Grids of victims × defenses × seeds: a reliable answer needs baselines, controls and more than one "
    "seed. "
    "LFR is the label flip rate, also called attack success rate (ASR)."
)
runs = store()
with show_errors():
    started = study_store.studies(runs)
    chosen = pick(started) if started else None
    if chosen is None:
        start(runs)
        replication_panel()
    else:
        over = next(record.complete for record in started if record.id == chosen)
        with st.container(border=True):
            st.fragment(show, run_every=None if over else REFRESH_SECONDS)(runs, chosen, over)
        with st.expander("Start another study", icon=":material/add:"):
            start(runs)
        replication_panel()
