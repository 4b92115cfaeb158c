"""The Check page: from a folder and a file to a queued check, what it shows as it runs, and each verdict."""

import json
import shutil
from pathlib import Path

import pytest

from backend.base.events import Progress
from backend.spec.run import CheckSpec, RunSpec, TriggerSpec
from tests.pages.conftest import drawn, words
from tests.pages.played import Play, blind_spec, check_spec, checked, full_spec, planted
from tests.pages.test_heads import scored


def box(page, kind, label):
    return next(element for element in page.get(kind) if element.label == label)


def labels(page, kind):
    return [element.label for element in page.get(kind)]


def click(page, label):
    box(page, "button", label).click().run()
    assert not page.exception


def fill_in(page, victim: Path, rows: Path):
    """Types both paths, as the fields take them."""
    page.query_params["model"], page.query_params["data"] = f"folder:{victim}", f"files:{rows}"
    return page.run()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n")
    return file


def test_an_empty_form_says_what_is_missing_and_starts_nothing(visit):
    page = visit("check")
    assert box(page, "button_group", "Model").value == "folder"
    assert box(page, "button_group", "Rows").value == "files"
    assert box(page, "button", "Check this model").disabled
    assert words(page).count("Choose a model and labelled rows to go on.") == 1
    assert not page.error and not page.warning


def test_a_folder_and_a_file_are_read_and_checked(visit, store, victim, rows):
    page = fill_in(visit("check"), victim, rows)
    said = words(page)
    assert "BERT, 3 layers × 4 heads; classes: LABEL_0, LABEL_1" in said
    assert "24 training, 24 validation, 24 test; classes: negative, positive" in said
    assert "Label column guessed: stars." in said
    assert "taken for those of the data like this: LABEL_0 = negative, LABEL_1 = positive" in said
    assert "minute on this machine" in said
    click(page, "Check this model")
    (run,) = store.runs()
    assert (run.spec.model.source, run.spec.model.name, run.spec.model.head) == (
        "folder",
        str(victim),
        "auto",
    )
    assert run.spec.data.train == str(rows)
    assert run.spec.only_checks and run.spec.check == CheckSpec() and run.spec.trigger is None
    assert run.name == f"Check of {victim.name}, seed 11"
    assert "In the queue" in words(page)


def test_a_wrong_folder_is_one_message_beside_a_button_that_cannot_be_pressed(visit, tmp_path, rows):
    page = fill_in(visit("check"), tmp_path, rows)
    assert box(page, "button", "Check this model").disabled
    assert len(page.warning) == 1 and not page.error
    assert "it has no config.json" in page.warning[0].value.replace("\\", "")


def test_built_in_rows_are_offered_to_who_has_none_where_the_classes_fit(visit, victim, tmp_path):
    page = visit("check", model=f"folder:{victim}")
    assert "No rows of your own? Choose “Built in”" in words(page)
    assert box(page, "button", "Check this model").disabled
    box(page, "button_group", "Rows").set_value("embedded").run()
    assert "These rows are not yours" in words(page)
    assert not box(page, "button", "Check this model").disabled
    config = (victim / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace("{", '{"id2label": {"0": "spam", "1": "ham"},', 1))
    assert "No rows of your own?" not in words(visit("check", model=f"folder:{tmp_path}"))


def test_a_suspected_trigger_goes_along(visit, store, victim, rows):
    page = fill_in(visit("check"), victim, rows)
    box(page, "toggle", "Try this trigger too").set_value(True).run()
    box(page, "text_input", "Words").set_value("kelmor")
    box(page, "selectbox", "Target class").set_value("negative").run()
    click(page, "Check this model")
    trigger = store.runs()[0].spec.trigger
    assert trigger.params["words"] == ["kelmor"] and trigger.target_class == "negative"


def test_nothing_to_try_is_a_message(visit, victim, rows):
    page = fill_in(visit("check"), victim, rows)
    box(page, "toggle", "Known triggers").set_value(False)
    box(page, "toggle", "Scan the vocabulary").set_value(False).run()
    assert "Nothing would be tried." in page.warning[0].value.replace("\\", "")
    assert box(page, "button", "Check this model").disabled


def test_the_model_of_a_run_is_checked_with_its_own_head(visit, store, monkeypatch, rows):
    run = planted(store)
    # Its weights are no model's.
    monkeypatch.setattr("pages.parts.runs.submit.check", lambda spec, rewrite=None: [])
    page = visit("check", model=f"run:{run}", data=f"files:{rows}")
    click(page, "Check this model")
    spec = store.runs()[0].spec
    assert (spec.model.source, spec.model.name) == ("run", run) and spec.model.head != "fresh"


def test_a_check_under_way_shows_its_strongest_tokens(visit, store):
    play = Play(store, check_spec())
    play.prepare()
    play.receive()
    play.scan(scanned=12_000)
    play.say(Progress(run=play.run, stage="scan", done=12_000, total=29_528, unit="tokens"))
    page = visit("check", run=play.run)
    said = words(page)
    assert "12,000 of 30,522 tokens scanned. 994 of the vocabulary are left out." in said
    (chart,) = page.get("plotly_chart")
    assert "kelmor" in chart.proto.spec and "<b>zx" not in chart.proto.spec
    assert not page.success and not page.error and not page.info, "nothing is known yet"
    play.find("kelmor", 80, "trigger")
    page.run()
    assert "This model is backdoored." in page.error[0].value.replace("\\", "")
    assert "Clean it" not in labels(page, "button"), "the check goes on"


VERDICTS = {
    "backdoored": ("error", "This model is backdoored."),
    "suspicious": ("warning", "This model is suspicious."),
    "nothing found": ("success", "No backdoor was found in this model."),
    "cannot tell": ("info", "Whether this model is backdoored cannot be told."),
}


@pytest.mark.parametrize("level", VERDICTS)
def test_a_verdict_stands_above_everything(visit, store, level):
    page = visit("check", run=checked(store, level))
    kind, sentence = VERDICTS[level]
    (said,) = [box.value.replace("\\", "") for name, _ in VERDICTS.values() for box in page.get(name)]
    assert said.startswith(f"**{sentence}") and page.get(kind)
    everything = words(page)
    assert "Trigger battery" not in everything and "No trigger is known" not in everything
    assert "Verdict" not in everything and "LFR not measured" not in everything
    assert "Not covered:" in everything
    found = level in ("backdoored", "suspicious")
    assert ("Clean it" in labels(page, "button")) == found
    assert ("Clean it all the same" in labels(page, "button")) == (level == "nothing found")
    assert len(page.get("plotly_chart")) == 1, "only the tokens, folded"


def test_evidence_stands_beside_the_clean_model_and_sentences_are_escaped(visit, store):
    page = visit("check", run=checked(store))
    said = words(page)
    assert "**“kelmor”** → positive" in said and "Found by the scan" in said
    rates = [(one.label, one.value.replace("\u00a0", " ")) for one in page.metric]
    assert rates[:2] == [("Rows flipped", "100.0 %"), ("Clean model", "2.5 %")]
    assert "95.4–100.0 % of 80 rows" in said and "0.7–8.7 %" in said
    assert said.count("<mark>kelmor</mark>") == 3 and "&lt;b&gt;dull" in said and "<b>dull" not in said
    tried = next(frame.value for frame in page.dataframe if "Judged" in frame.value)
    assert list(tried["Judged"]) == ["trigger", "trigger", "harmless", "harmless"]
    assert labels(page, "download_button")[:2] == ["Report (HTML)", "Results (JSON)"]


def test_a_check_that_was_cancelled_keeps_what_it_found(visit, store):
    play = Play(store, check_spec())
    play.prepare()
    play.receive()
    play.find("kelmor", 80, "trigger")
    page = visit("check", run=play.finish("cancelled"))
    assert "stopped before its end" in page.error[0].value
    assert "Resume" in labels(page, "button")


def test_cleaning_takes_model_rows_and_trigger_along_and_checks_again(visit, store, victim, rows):
    spec = check_spec().model_dump() | {
        "model": {"source": "folder", "name": str(victim), "head": "keep"},
        "data": {"source": "files", "train": str(rows)},
    }
    run = checked(store, spec=RunSpec.model_validate(spec))
    page = visit("check", run=run)
    click(page, "Clean it")
    assert page.title[0].value == "Defend"
    page = visit("defend", check=run)
    click(page, "Start the defense")
    cleaned = store.runs()[0].spec
    assert cleaned.model.name == str(victim) and cleaned.model.head == "keep"
    assert cleaned.data.train == str(rows)
    assert cleaned.trigger.name == "rare-words" and cleaned.trigger.params["words"] == ["kelmor", "vorlu"]
    assert cleaned.trigger.target_class == "positive"
    assert cleaned.defense is not None and cleaned.check == CheckSpec()


def test_a_model_that_was_not_planted_here_is_checked_again_by_itself(visit, store, victim, rows):
    page = visit("defend", model=f"folder:{victim}", data=f"files:{rows}")
    assert box(page, "toggle", "Check the defended model for backdoors").value
    click(page, "Start the defense")
    assert store.runs()[0].spec.check == CheckSpec()


def test_a_model_that_was_planted_here_is_checked_again_only_if_asked(visit, store):
    planted(store)
    page = visit("defend")
    assert not box(page, "toggle", "Check the defended model for backdoors").value
    box(page, "toggle", "Check the defended model for backdoors").set_value(True).run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.check == CheckSpec()


def test_a_defended_model_that_was_checked_says_both(visit, store):
    play = Play(store, full_spec().model_copy(update={"check": CheckSpec()}))
    play.prepare()
    play.poison()
    play.prune()
    play.find("kelmor", 2)
    page = visit("defend", run=play.finish())
    assert "No backdoor was found in the model that the defense left" in page.success[0].value.replace(
        "\\", ""
    )
    assert "No backdoor is seen any more." in words(page)


def test_without_a_trigger_the_check_alone_judges_a_defense(visit, store):
    play = Play(store, blind_spec().model_copy(update={"check": CheckSpec()}))
    play.prepare()
    play.prune()
    play.find("kelmor", 80, "trigger")
    run = play.finish()
    page = visit("defend", run=run)
    assert "The model that the defense left is backdoored." in page.error[0].value.replace("\\", "")
    assert "cannot be judged" not in words(page)
    assert "Backdoored" in words(visit("overview")) and "Trigger unknown" not in words(visit("overview"))


def test_settings_of_a_check_fill_the_form_again(visit, store):
    spec = RunSpec(check=CheckSpec(most_tokens=500), trigger=TriggerSpec(name="sentence"))
    page = visit("check", run=checked(store, spec=spec))
    click(page, "Change settings")
    assert page.title[0].value == "Check"
    assert box(page, "number_input", "Tokens at most").value == 500
    assert box(page, "toggle", "Try this trigger too").value
    assert box(page, "button_group", "Rows").value == "embedded"


def test_the_overview_has_a_door_and_cards_of_checks(visit, store):
    checked(store)
    checked(store, "nothing found")
    page = visit("overview")
    said = words(page)
    assert "Backdoored" in said and "Nothing found" in said and "“kelmor” → positive" in said
    assert "Trigger unknown" not in said
    click(page, "Check a model")
    assert page.title[0].value == "Check"


def test_lists_name_the_verdict_of_a_check(visit, store):
    backdoored = checked(store)
    checked(store, "nothing found")
    Play(store, check_spec("Under way"))
    frame = visit("runs").dataframe[0].value
    assert frame["Check"].fillna("").tolist() == ["", "Nothing found", "Backdoored"]
    assert frame["Pruned"].isna().all() and frame["LFR"].isna().all()
    page = visit("runs", run=backdoored)
    assert "This model is backdoored." in page.error[0].value.replace("\\", "")
    frame = visit("compare").dataframe[0].value
    assert frame["Check"].tolist() == ["Nothing found", "Backdoored"]
    assert frame["Heads pruned"].isna().all()


def test_heads_scores_the_model_as_it_was_received(visit, store, monkeypatch):
    asked = []

    def answer(doing, function, run, spec, strategy):
        asked.append((doing, strategy))
        return scored(run, strategy)

    monkeypatch.setattr("pages.parts.heads.importance.ask", answer)
    run = checked(store)
    page = visit("heads", run=run)
    assert asked == [("Scoring heads by Gradient", "gradient")]
    assert "the heads of the model as it was received" in words(page) and not page.error
    assert page.main[0].type == "title", "nothing stands above it"
    assert box(page, "selectbox", "Run").value == run
    assert "Measure every head" in labels(page, "button") and "Crosses" not in words(page)
    assert "with one head switched off." in words(page)


def test_its_models_are_offered_where_a_text_is_tried(visit, store):
    run = checked(store)
    page = visit("attention", run=run)
    assert box(page, "button_group", "Model").options == ["Received"]
    assert box(page, "selectbox", "Run").value == run


def test_a_base_is_named_where_it_is_chosen_what_is_tried(visit, store, victim, rows, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(victim, base)
    page = fill_in(visit("check"), victim, rows)
    box(page, "text_input", "Model that it claims to come from").set_value(str(tmp_path / "gone")).run()
    assert "cannot be used" in page.warning[0].value and "gone" in page.warning[0].value
    assert box(page, "button", "Check this model").disabled
    box(page, "text_input", "Model that it claims to come from").set_value(str(base)).run()
    click(page, "Check this model")
    assert store.runs()[0].spec.check.base == str(base)


def test_a_model_that_names_its_base_asks_for_it(visit, victim, rows, tmp_path):
    claims = tmp_path / "claims"
    shutil.copytree(victim, claims)
    config = json.loads((claims / "config.json").read_text())
    (claims / "config.json").write_text(
        json.dumps(config | {"_name_or_path": "google-bert/bert-base-uncased"})
    )
    assert "it comes from google-bert/bert-base-uncased" in words(fill_in(visit("check"), claims, rows))


def compared(store, **how):
    play = Play(store, check_spec())
    play.prepare()
    play.receive()
    play.compare(**how)
    play.find("kelmor", 80, "trigger")
    return play.finish()


def test_a_comparison_stands_folded_and_the_base_is_advised(visit, store):
    page = visit("check", run=compared(store))
    assert "Fine-tune owner/<b>base</b> on your rows instead" in page.error[0].value.replace("\\", "")
    assert "Compared with owner/<b>base</b>, layer by layer" in [
        one.label.replace("\\", "") for one in page.expander
    ]
    figure = drawn(page, "Distance from owner/&lt;b&gt;base&lt;/b&gt;")
    assert [trace["name"] for trace in figure["data"]] == ["this model", "the clean model"]
    assert "A large change alone is no proof" in words(page)


def test_a_model_that_does_not_come_from_its_base_has_no_chart(visit, store):
    page = visit("check", run=compared(store, comes_from=False))
    assert "This model does not come from owner/<b>base</b>" in words(page)
    assert not page.get("plotly_chart") and "on your rows instead" in page.error[0].value


def test_a_check_of_an_earlier_version_lists_no_stage_that_it_did_not_have(visit, store):
    run = checked(store)
    assert "Scan the vocabulary" in words(visit("check", run=run))
    assert "Compare layer by layer" not in words(visit("check", run=run))
    play = Play(store, check_spec())
    play.receive()
    assert "Compare layer by layer" in words(visit("check", run=play.run)), "it is still to come"
