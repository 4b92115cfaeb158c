"""The overview and the list of runs."""

from backend.spec.presets import head_pruning
from tests.pages.conftest import numbers, words
from tests.pages.played import Play, blind_spec, defended, full_spec, planted


def click(page, label):
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def test_with_no_runs_the_overview_offers_the_demo(visit, store):
    page = visit("overview")
    assert "Nothing has run yet" in words(page)
    click(page, "Start test run")
    (run,) = store.runs()
    assert run.state == "queued" and run.spec.attack is not None
    assert page.title[0].value == "Defend"
    assert page.query_params["run"] == run.id or page.query_params["run"] == [run.id]


def test_the_overview_follows_the_run_under_way(visit, store):
    play = Play(store, full_spec("Under way"))
    play.prepare()
    store.submit(full_spec("Later"))
    said = words(visit("overview"))
    assert "Under way" in said and "Run " + play.run in said
    assert "1 running · 1 queued" in said
    assert "GB memory free" in said and "GB disk free" in said


def test_cards_show_the_last_numbers(visit, store):
    defended(store)
    defended(store, blind_spec())
    store.submit(full_spec("Newest"))
    page = visit("overview")
    said = words(page)
    assert "Not seen any more" in said and "Trigger unknown" in said and "Queued" in said
    assert "85.1–89.1 %" in said and "10.0–16.0 %" in said
    assert ("LFR", "13.0 %") in numbers(page) and ("LFR", "not known") in numbers(page)


def test_with_no_runs_the_list_says_what_to_do(visit):
    page = visit("runs")
    assert "There are no runs yet" in words(page)
    assert not page.dataframe


def test_the_list_has_every_run_and_leaves_unknown_numbers_empty(visit, store):
    planted(store)
    defended(store)
    defended(store, blind_spec())
    store.submit(full_spec())
    frame = visit("runs").dataframe[0].value
    assert list(frame["State"]) == ["Queued", "Done", "Done", "Done"]
    assert frame["LFR"].isna().tolist() == [True, True, False, False]
    assert frame["LFR, 95 %"].str.replace("\u00a0", " ")[2] == "10.0–16.0 %"
    assert frame["Strategy"].tolist()[-1] == "–"


def test_a_run_is_opened_by_its_address_and_run_again(visit, store):
    run = defended(store)
    page = visit("runs", run=run)
    assert "No backdoor is seen any more" in words(page)
    click(page, "Run again")
    again = store.runs()[0]
    assert again.id != run and again.state == "queued" and again.spec == store.run(run).spec


def test_another_run_does_not_take_over_the_step_of_a_replay(visit, store, monkeypatch):
    first, second = defended(store), defended(store)
    page = visit("runs", run=first, step="1")
    assert page.slider[0].value == 1
    monkeypatch.setattr(
        "pages.parts.runs.run_table.table", lambda runs, records, key, chosen: store.run(second)
    )
    page.run()
    assert page.query_params["run"] in (second, [second]) and "step" not in page.query_params
    assert page.slider[0].value == 3


def test_a_run_is_deleted_after_a_warning(visit, store):
    run = defended(store)
    page = visit("runs", run=run)
    assert "will be deleted" in words(page)
    click(page, "Delete for good")
    assert not store.runs()
    assert "There are no runs yet" in words(page)


def test_settings_of_a_run_fill_the_form(visit, store):
    spec = blind_spec().model_copy(update={"defense": head_pruning(prune_step=7)})
    run = defended(store, spec)
    page = visit("defend", like=run)
    assert next(box for box in page.number_input if box.label == "Heads per step s").value == 7
