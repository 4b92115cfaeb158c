"""What a reader of a run's page sees, in every state that the run can be in."""

from backend.runs.leases import claim
from tests.pages.conftest import drawn, numbers, words
from tests.pages.played import Play, attack_spec, blind_spec, defended, full_spec, planted


def test_a_queued_run_says_that_it_waits(visit, store):
    run = store.submit(full_spec("Waiting <i>here</i>"))
    page = visit("defend", run=run.id)
    assert "In the queue" in words(page)
    assert "Waiting <i>here</i>" in words(page)
    assert [button.label for button in page.button if button.label == "Cancel"]


def test_a_running_run_shows_stage_progress_and_the_curve_so_far(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    play.poison()
    play.prune(steps=2, whole=False, note="Weights learned from clean rows: gradient 1.00.")
    page = visit("defend", run=play.run)
    said = words(page)
    assert "Weights learned from clean rows: gradient 1.00." in said
    assert "the guardrail checks clean validation accuracy" in said
    assert "4 of 72 heads pruned" in said
    assert "Not measured yet" in said
    assert len(page.get("plotly_chart")) == 2
    assert numbers(page)[:2] == [("ACC", "87.3 %"), ("LFR", "95.7 %")]
    assert [button.label for button in page.get("download_button")] == ["Rows and rewritings (CSV)"]


def test_new_events_are_read_on_the_next_look(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    page = visit("defend", run=play.run)
    assert not numbers(page)
    play.poison()
    page.run()
    assert ("LFR", "95.7 %") in numbers(page)


def test_numbers_have_their_intervals(visit, store):
    said = words(visit("defend", run=defended(store)))
    assert "without trigger 12.1 % (9.0–15.0 %)" in said
    assert "ACC and LFR of the curve: on 400 clean and 400 triggered test rows" in said
    assert "95 % intervals of up to ±5 points" in said
    assert "ACC of the curve: on 400 clean test rows" in words(
        visit("defend", run=defended(store, blind_spec()))
    )


def test_a_done_run_tells_its_meaning_and_offers_downloads(visit, store):
    page = visit("defend", run=defended(store))
    said = words(page)
    assert "fell from 95.7 % (poisoned) to 13.0 % (10.0–16.0 %) (defended)" in said
    assert (
        "classifies 12.1 % (9.0–15.0 %) of the clean rows of other classes as “positive”: that is the floor"
        in said
    )
    assert "The guardrail stopped at step 3" in said
    labels = [button.label for button in page.get("download_button")]
    assert labels[1:] == [
        *("Report (HTML)", "Results (JSON)", "Metrics (CSV)", "Pruning steps (CSV)", "Head list (JSON)"),
        "Zeroed model (zip)",
    ]


def test_a_done_run_has_a_verdict_with_its_signs(visit, store):
    run = defended(store)
    page = visit("defend", run=run)
    said = words(page)
    assert "Verdict" in said and "No backdoor is seen any more." in said
    assert "its floor is the clean flip rate, 12.1 %" in said
    # A model that was never poisoned, on the same rows and seed, is the better floor, as soon as it is there.
    honest = defended(store, full_spec().model_copy(update={"attack": None}))
    assert "never-poisoned model's" not in said
    said = words(page.run())
    assert "its floor is a never-poisoned model's 13.0 % (10.0–16.0 %)" in said
    assert "never-poisoned" not in words(visit("defend", run=honest))


def test_a_failed_run_is_not_judged_until_it_is_resumed_and_done(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    play.poison()
    play.measure("fine_tuned")
    run = play.finish("failed", "Memory ran out.")
    page = visit("defend", run=run)
    said = words(page)
    assert "What it means" in said and "Verdict" not in said and "LFR stayed" not in said
    store.resume(run)
    play.lease = claim(store, "a worker", run)
    play.prune()
    play.finish()
    assert "No backdoor is seen any more." in words(page.run())


def test_a_run_under_way_has_no_verdict_yet(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    play.poison()
    play.prune(steps=2, whole=False)
    page = visit("defend", run=play.run)
    assert "What it means so far" in words(page) and "Verdict" not in words(page)
    assert not page.slider, "there is nothing to replay yet"


def test_pruning_is_replayed_and_the_step_stays_in_the_address(visit, store):
    run = defended(store)
    page = visit("defend", run=run)
    assert page.slider[0].value == 3
    steps = next(frame.value for frame in page.dataframe if "Heads pruned" in frame.value)
    assert list(steps["Step"]) == [3, 2, 1, 0]
    assert list(steps["Restored"]) == ["0.5 0.4", "", "", ""]
    assert "The guardrail stopped at step 3" in words(page)
    page.slider[0].set_value(1).run()
    said = words(page)
    assert "2 of 72 heads pruned; validation accuracy 88.0 %" in said and "guardrail stopped" not in said
    curve = {trace["name"]: trace for trace in drawn(page, "Accuracy and label")["data"]}
    assert curve["LFR, triggered test"]["customdata"] == [[0, "90.0\u00a0%"], [1, "80.0\u00a0%"]]
    assert {"Pruned (2)", "Tried and restored (0)"} <= {
        trace.get("name") for trace in drawn(page, "Importance")["data"]
    }
    steps = next(frame.value for frame in page.dataframe if "Heads pruned" in frame.value)
    assert list(steps["Step"]) == [1, 0] and list(steps["Pruned (layer.head)"]) == ["0.0 0.1", ""]
    assert page.query_params["step"] == "1"
    assert visit("defend", run=run, step="2").slider[0].value == 2
    assert visit("defend", run=run, step="<b>99").slider[0].value == 3


def test_without_a_trigger_lfr_is_absent_and_not_zero(visit, store):
    page = visit("defend", run=defended(store, blind_spec()))
    said = words(page)
    assert "LFR not measured" in said
    assert "a backdoor cannot be judged" in said
    assert {label for label, _ in numbers(page)} == {"ACC"}
    assert " 0.0 %" not in said
    assert "fell from" not in said


def test_a_failed_run_says_why_and_keeps_its_numbers(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    play.poison()
    run = play.finish("failed", "Memory ran out. Choose a smaller batch size.")
    page = visit("defend", run=run)
    assert "Memory ran out. Choose a smaller batch size." in page.error[0].value.replace("\\", "")
    assert ("LFR", "95.7 %") in numbers(page)
    assert "Traceback" not in words(page)


def test_a_cancelled_run_says_so(visit, store):
    run = store.submit(full_spec()).id
    page = visit("defend", run=run)
    next(button for button in page.button if button.label == "Cancel").click().run()
    assert store.run(run).state == "cancelled"
    assert "Cancelled. The stages that had finished are kept" in words(page)


def test_a_run_that_was_ended_by_force_says_so(visit, store):
    play = Play(store, full_spec())
    play.finish("cancelled", "It was ended by force.")
    assert "It was ended by force" in words(visit("defend", run=play.run))


def test_warnings_of_the_run_are_shown_once(visit, store):
    play = Play(store, full_spec())
    play.warn("τ lies above the accuracy.")
    play.warn("τ lies above the accuracy.")
    assert words(visit("defend", run=play.run)).count("τ lies above the accuracy.") == 1


def test_texts_of_rows_are_shown_escaped(visit, store):
    said = words(visit("attack", run=planted(store)))
    assert "a <mark>cf</mark> &lt;b&gt;fine&lt;/b&gt; film" in said
    assert "<b>fine" not in said


def test_rows_that_were_left_out_are_counted_and_listed(visit, store):
    page = visit("attack", run=planted(store))
    assert "700 training rows poisoned, 3 left out; 455 test rows triggered, 2 left out" in words(page)
    assert "the trigger cannot change it" in page.dataframe[0].value["left_out"].tolist()


def test_a_planted_run_leads_to_its_defense(visit, store):
    run = planted(store)
    page = visit("attack", run=run)
    next(button for button in page.button if button.label == "Defend this model").click().run()
    assert not page.exception
    assert page.title[0].value == "Defend"
    assert next(box for box in page.selectbox if box.label == "Run with a poisoned model").value == run


def test_an_unknown_run_is_a_message_and_no_traceback(visit):
    page = visit("defend", run="nowhere")
    assert "There is no run 'nowhere'" in page.error[0].value.replace("\\", "")
    next(button for button in page.button if button.label == "New defense").click().run()
    assert not page.error and "run" not in page.query_params


def test_an_attack_on_its_own_claims_nothing_of_a_defense(visit, store):
    play = Play(store, attack_spec())
    play.prepare()
    said = words(visit("attack", run=play.run))
    assert "Defended" not in said and "Plant the backdoor" in said
