"""The Compare page: runs chosen by address, their numbers, curves, heads and rows."""

from backend.base.components import Choice
from backend.base.paths import run_folder
from backend.evaluation.predictions import Predictions
from backend.spec.presets import head_pruning
from tests.pages.conftest import words
from tests.pages.played import Play, blind_spec, defended, full_spec


def view(page, name: str):
    control = next(one for one in page.segmented_control if one.label == "View")
    control.set_value(name).run()
    assert not page.exception
    return words(page)


def test_without_runs_it_says_what_to_do(visit, store):
    assert "Start the demo" in words(visit("compare"))
    store.submit(full_spec())
    assert "Start the demo" in words(visit("compare"))


def test_runs_are_chosen_by_the_address(visit, store):
    runs = [defended(store, full_spec(f"<b>number</b> {number}")) for number in range(3)]
    page = visit("compare", runs=f"{runs[0]},{runs[2]},nowhere")
    assert "no run 'nowhere'" in words(page)
    table = page.dataframe[0].value
    assert sorted(table["Run"].str[:15]) == ["<b>number</b> 0", "<b>number</b> 2"]
    assert table["ACC"].between(0, 100).all() and (table["LFR from"] <= table["LFR"]).all()
    page.toggle(key="published").set_value(True).run()
    published = page.dataframe[0].value
    assert published["LFR"][-2:].round(2).tolist() == [31.71, 28.11]
    assert set(published["Strategy"][-2:]) == {"published"}
    page.multiselect[0].set_value([runs[1]]).run()
    assert page.query_params["runs"] == runs[1]
    page.multiselect[0].set_value([]).run()
    assert not page.dataframe and visit("compare", runs="").multiselect[0].value == []


def test_a_run_that_failed_before_it_measured_is_left_out_and_told(visit, store):
    good = defended(store)
    play = Play(store, full_spec())
    failed = play.finish("failed", "Memory ran out.")
    page = visit("compare", runs=f"{good},{failed}")
    assert "has no results yet: left out" in words(page) and len(page.dataframe[0].value) == 1


def test_curves_heads_and_rows(visit, store):
    one, two = defended(store), defended(store)
    blind = defended(store, blind_spec())
    page = visit("compare", runs=f"{one},{two},{blind}")
    assert "1 run without a known trigger: only in the table" in words(page)
    view(page, "Curves")
    assert len(page.get("plotly_chart")) == 1
    assert "Jaccard index" in view(page, "Heads") and len(page.get("plotly_chart")) == 2
    assert "Needs two runs with saved predictions" in view(page, "Same rows")
    for run, flips in ((one, [1] * 20), (two, [0] * 20)):
        (run_folder(run) / "defended").mkdir(parents=True, exist_ok=True)
        Predictions([0, 1], [0, 0], flips, 1).save(run_folder(run) / "defended")
    page.run()
    assert "McNemar's exact test" in words(page)
    gaps = page.dataframe[0].value
    assert len(gaps) == 1 and gaps["p, LFR"][0] == "< 0.001"
    assert visit("compare", runs=one, view="Heads").segmented_control[0].value == "Heads"
    assert "two runs that pruned heads" in words(visit("compare", runs=one, view="Heads"))


def test_filters_narrow_the_table_and_the_figures(visit, store):
    defended(store, full_spec("alpha one"))
    bayesian = head_pruning(strategy=Choice(name="bayesian"))
    defended(store, full_spec("alpha two").model_copy(update={"defense": bayesian}))
    defended(store, blind_spec("beta"))
    play = Play(store, full_spec("alpha three"))
    play.prepare()
    play.poison()
    play.finish("cancelled")

    def left(page) -> set[str]:
        assert not page.exception
        return {title.split(",")[0] for title in page.dataframe[0].value["Run"]} if page.dataframe else set()

    page = visit("compare")
    assert left(page) == {"alpha one", "alpha two", "alpha three", "beta"}
    page.text_input(key="words").set_value("ALPHA t").run()
    assert left(page) == {"alpha two", "alpha three"} and "2 of 4 runs pass the filters" in words(page)
    page.multiselect(key="state").set_value(["Cancelled"]).run()
    assert left(page) == {"alpha three"}
    assert set(page.dataframe[0].value["State"]) == {"Cancelled"}
    page.multiselect(key="strategy").set_value(["Bayesian uncertainty"]).run()
    assert left(page) == set() and "0 of 4 runs pass the filters" in words(page)
    page.multiselect(key="state").set_value([]).run()
    assert left(page) == {"alpha two"}
    page.text_input(key="words").set_value("").run()
    page.multiselect(key="strategy").set_value([]).run()
    page.multiselect(key="trigger").set_value(["–"]).run()
    assert left(page) == {"beta"}


def test_the_address_says_what_is_shown(visit, store):
    one, two = defended(store, full_spec("one")), defended(store, full_spec("two"))
    page = visit("compare", runs=f"{one},{two}", published="true", strategy="Gradient", words="one")
    assert page.toggle(key="published").value and len(page.dataframe[0].value) == 3
    page = visit("compare", runs=f"{one},{two}", view="Curves", measure="ACC")
    assert page.segmented_control(key="measure").value == "acc"
