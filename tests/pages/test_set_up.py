"""The forms of Attack and Defend: what is chosen is what is queued, and bad input is a message."""

from pathlib import Path

import pytest
from pydantic import Field

from backend import defenses
from backend.attacks.poison import resolve_target
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.steps import Defense, DefenseParams
from backend.data.rows import Dataset, Rows
from backend.defenses.onion import OnionSettings
from backend.library.remembered import keep_upload, safe_name
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, DataSpec, ModelSpec, RunSpec, TrainingSpec, TriggerSpec
from pages.parts.runs.actions import parse_seeds
from tests.headers import bert_folder, classifier
from tests.pages.conftest import words
from tests.pages.played import planted


def box(page, kind, label):
    return next(element for element in page.get(kind) if element.label == label)


def click(page, label):
    box(page, "button", label).click().run()
    assert not page.exception


def test_attack_shows_triggered_rows_before_anything_is_trained(visit, store):
    page = visit("attack")
    assert words(page).count("<mark>") == 6
    assert "6 of 12 training rows" in words(page)
    assert not store.runs()


def test_reroll_shows_other_rows(visit):
    page = visit("attack")
    box(page, "button_group", "Rows to look at").set_value("test").run()
    before = [element.value for element in page.get("html")]
    click(page, "Show other rows")
    assert [element.value for element in page.get("html")] != before


def test_planting_queues_what_was_chosen(visit, store):
    page = visit("attack")
    box(page, "text_input", "Words").set_value("zx, qv")
    box(page, "selectbox", "Target class").set_value("negative")
    box(page, "number_input", "Poison rate").set_value(0.25)
    box(page, "number_input", "Learning rate").set_value(3e-5)
    page.run()
    click(page, "Plant the backdoor")
    (run,) = store.runs()
    assert run.spec.defense is None
    assert run.spec.trigger.params["words"] == ["zx", "qv"]
    assert run.spec.trigger.target_class == "negative"
    assert run.spec.attack.poison_rate == 0.25
    assert run.spec.attack.training.learning_rate == 3e-5
    assert "In the queue" in words(page)


def test_a_class_called_by_a_number_is_planted_as_the_page_says(visit, store, monkeypatch):
    rows = Rows([f"row number {n} of a small set" for n in range(24)], [n % 4 for n in range(24)])
    stars = Dataset("stars", rows, rows, rows, ["1", "2", "3", "4"], [])
    monkeypatch.setattr("backend.data.load", lambda spec, progress=None: stars)
    page = visit("attack")
    for name in stars.label_names:
        box(page, "selectbox", "Target class").set_value(name).run()
        assert f"that are not “{name}”" in words(page)
        click(page, "Plant the backdoor")
        (run,) = store.runs(states=["queued"])
        assert resolve_target(run.spec.trigger.target_class, stars.label_names) == int(name) - 1
        store.cancel(run.id)
        page = visit("attack", like=run.id)
        assert box(page, "selectbox", "Target class").value == name


def test_a_wrong_attack_is_a_message(visit, store):
    page = visit("attack")
    box(page, "number_input", "Poison rate").set_value(0.0).run()
    assert "poison_rate" in page.error[0].value.replace("\\", "")
    assert not [button for button in page.button if button.label == "Plant the backdoor"]


def test_small_learning_rates_read_as_such(visit):
    assert box(visit("attack"), "number_input", "Learning rate").proto.format == "%.1e"


def test_defending_takes_the_planted_model_its_data_and_its_trigger(visit, store):
    victim = planted(store)
    page = visit("defend")
    click(page, "Start the defense")
    run = store.runs()[0]
    assert (run.spec.model.source, run.spec.model.name) == ("run", victim)
    assert run.spec.trigger == store.run(victim).spec.trigger
    assert run.spec.attack is None and run.spec.defense is not None


def test_data_that_were_chosen_are_not_lost_to_those_of_the_victim(visit, store, tmp_path: Path):
    """By the address, as the library gives it, or by the settings of an earlier defense."""
    victim = planted(store)
    rows = tmp_path / "mine.csv"
    rows.write_text("text,label\n")
    page = visit("defend", data=f"files:{rows}")
    click(page, "Start the defense")
    assert store.runs()[0].spec.data.train == str(rows)
    few = store.runs()[0].spec
    few = few.model_copy(update={"trigger": None, "data": DataSpec(train_rows=500)})
    page = visit("defend", like=store.submit(few).id)
    click(page, "Start the defense")
    again = store.runs()[0].spec
    assert again.data.train_rows == 500 and again.trigger is None and again.model.name == victim


def test_how_a_file_is_read_may_be_said(visit, store, tmp_path: Path):
    planted(store)
    rows = tmp_path / "mine.csv"
    rows.write_text("text,label\n")
    page = visit("defend", data=f"files:{rows}")
    assert box(page, "selectbox", "Separator").options[0] == "Automatic"
    click(page, "Start the defense")
    assert store.runs()[0].spec.data == DataSpec(source="files", train=str(rows))
    page = visit("defend", data=f"files:{rows}")
    box(page, "selectbox", "Separator").set_value("semicolon")
    box(page, "selectbox", "Header").set_value(False)
    box(page, "text_input", "Encoding").set_value("cp1252").run()
    click(page, "Start the defense")
    chosen = store.runs()[0].spec.data
    assert (chosen.separator, chosen.header, chosen.encoding) == ("semicolon", False, "cp1252")
    page = visit("defend", like=store.runs()[0].id)
    assert box(page, "selectbox", "Header").value is False
    box(page, "text_input", "Encoding").set_value("no such").run()
    assert "there is no encoding" in page.error[0].value


def test_two_seeds_queue_two_runs(visit, store):
    planted(store)
    page = visit("defend")
    box(page, "text_input", "Seeds").set_value("11, 12").run()
    click(page, "Start 2 runs, one for each seed")
    queued = store.runs(states=["queued"])
    assert sorted(run.spec.seed for run in queued) == [11, 12]
    assert box(page, "button_group", "Runs started together").options == ["seed 11", "seed 12"]


@pytest.mark.parametrize("text", ["eleven", "1.5", "-3", "", "99999999999"])
def test_wrong_seeds_are_a_message(visit, store, text):
    planted(store)
    page = visit("defend")
    box(page, "text_input", "Seeds").set_value(text).run()
    assert "seed" in page.error[0].value.lower()
    assert len(store.runs()) == 1


def test_no_trigger_is_a_choice(visit, store):
    planted(store)
    page = visit("defend")
    box(page, "button_group", "Trigger").set_value("none").run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.trigger is None


def test_a_folder_without_weights_is_a_message(visit, store, tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    page = visit("defend", model=f"folder:{tmp_path}")
    assert box(page, "selectbox", "Folder on this machine").value == str(tmp_path)
    click(page, "Start the defense")
    assert "safetensors" in page.error[0].value.replace("\\", "")
    assert not store.runs()


def test_a_whole_classifier_keeps_its_head_and_the_page_says_so(visit, tmp_path: Path):
    names = {"0": "negative", "1": "positive"}
    whole = bert_folder(tmp_path / "whole", classifier(), id2label=names, vocab_size=8)
    page = visit("defend", model=f"folder:{whole}")
    assert box(page, "button_group", "Classifier head").value == "auto"
    assert "keeps its own classifier head (negative, positive)" in words(page)
    box(page, "button_group", "Classifier head").set_value("fresh").run()
    assert "(negative, positive) is not used: a new one is drawn" in words(page)


def test_the_checkpoints_of_a_training_are_offered(visit, store, tmp_path: Path):
    for number in (500, 1000):
        bert_folder(tmp_path / "out" / f"checkpoint-{number}", classifier())
    page = visit("defend", model=f"folder:{tmp_path / 'out'}")
    box(page, "selectbox", "Model inside that folder").set_value(
        str(tmp_path / "out" / "checkpoint-500")
    ).run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.model.name == str(tmp_path / "out" / "checkpoint-500")


def test_every_strategy_has_a_form(visit, store):
    page = visit("defend")
    chooser = box(page, "selectbox", "Which heads go first")
    for name in chooser.options:
        box(page, "selectbox", "Which heads go first").select(name).run()
        assert not page.exception and not page.error
        assert box(page, "button", "Start the defense")


def test_seeds_are_read_once_each():
    assert parse_seeds("11,12 13; 11") == [11, 12, 13]
    with pytest.raises(UserError, match="at most 50"):
        parse_seeds(",".join(map(str, range(51))))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("reviews.csv", "reviews.csv"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".hidden.tsv", "hidden.tsv"),
        ("a b;rm -rf $HOME.csv", "a_b_rm_-rf_HOME.csv"),
        ("///", "file"),
        ("数据.csv", "file.csv"),
        ("_.tsv", "file.tsv"),
        ("README", "README"),
    ],
)
def test_uploads_cannot_leave_their_folder(name, kept):
    assert safe_name(name) == kept


def test_an_upload_is_kept_once():
    assert keep_upload("a.csv", b"text,label\n") == keep_upload("a.csv", b"text,label\n")
    assert keep_upload("a.csv", b"other") != keep_upload("a.csv", b"text,label\n")


def test_changing_settings_keeps_those_of_a_baseline(visit, store):
    victim = planted(store)
    onion, entropy = OnionSettings(rows=32, share=0.1), TrainingSpec(epochs=2, learning_rate=1e-4)
    defense = head_pruning(onion=onion, entropy=entropy, train_rows=100, strategy=Choice(name="none"))
    spec = store.run(victim).spec.model_copy(
        update={"attack": None, "defense": defense, "model": ModelSpec(source="run", name=victim)}
    )
    page = visit("defend", like=store.submit(spec).id)
    click(page, "Start the defense")
    assert not page.exception
    now = store.runs()[0].spec.defense_params
    assert (now.onion, now.entropy, now.train_rows, now.strategy.name) == (onion, entropy, 100, "none")


def choose_defense(visit, store, name):
    planted(store)
    page = visit("defend")
    box(page, "selectbox", "Defense").set_value(name).run()
    assert not page.exception and not page.error
    return page


def test_head_pruning_comes_first_and_what_needs_an_attack_is_not_offered(visit):
    titles = box(visit("defend"), "selectbox", "Defense").options
    expected = {one.title for name, one in defenses.COMPONENTS.items() if name != "no-defense"}
    assert titles[0] == "Head pruning" and set(titles) == expected


def test_fine_tuning_alone_is_started_as_it_is_set(visit, store):
    page = choose_defense(visit, store, "ft")
    assert not [one for one in page.number_input if "pruned" in one.label or "τ" in one.label]
    box(page, "number_input", "Defender's rows").set_value(64)
    box(page, "number_input", "Epochs").set_value(2.0)
    page.run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.defense == Choice(
        name="ft", params={"train_rows": 64, "fine_tune": TrainingSpec(epochs=2).model_dump()}
    )


def test_maximum_entropy_keeps_its_two_trainings_apart(visit, store):
    page = choose_defense(visit, store, "meft")
    entropy, tuning = [one for one in page.number_input if one.label == "Learning rate"]
    entropy.set_value(1e-4)
    tuning.set_value(3e-5)
    page.run()
    click(page, "Start the defense")
    spec = store.runs()[0].spec
    assert spec.defense.name == "meft" and spec.setting("learning_rate") == 1e-4
    assert spec.setting("fine_tune").learning_rate == 3e-5 and spec.setting("epochs") == 1


def test_a_second_fine_tuning_is_switched_off_and_on(visit, store):
    page = choose_defense(visit, store, "second-fine-tuning")
    box(page, "selectbox", "Regulariser of the second fine-tuning").set_value("l2")
    box(page, "toggle", "Second fine-tuning").set_value(False).run()
    click(page, "Start the defense")
    spec = store.runs()[0].spec
    assert (spec.setting("refine"), spec.setting("regulariser")) == (None, "l2")
    page = visit("defend", like=store.runs()[0].id)
    assert box(page, "selectbox", "Defense").value == "second-fine-tuning"
    assert box(page, "selectbox", "Regulariser of the second fine-tuning").value == "l2"
    box(page, "toggle", "Second fine-tuning").set_value(True).run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.setting("refine") == TrainingSpec()


def test_pruning_alone_asks_nothing_of_a_second_fine_tuning(visit, store):
    planted(store)
    page = visit("defend")
    assert box(page, "number_input", "Regulariser weight")
    box(page, "toggle", "Fine-tune again without the pruned heads").set_value(False).run()
    assert "Regulariser weight" not in [one.label for one in page.number_input]
    click(page, "Start the defense")
    assert store.runs()[0].spec.setting("refine") is None


def test_a_reference_of_a_poisoned_victim_is_a_message(visit, store):
    planted(store)
    page = visit("defend")
    box(page, "selectbox", "Defense").set_value("reference").run()
    assert "the model that this run started from" in page.error[0].value
    box(page, "button_group", "Model").set_value("embedded").run()
    click(page, "Start the defense")
    assert store.runs()[0].spec.defense.name == "reference"


class GentleParams(DefenseParams):
    weight_decay: float = Field(0.1, ge=0, le=1, title="Weight decay")
    fine_tune: TrainingSpec = Field(TrainingSpec(), title="Gentle fine-tuning")
    warm_up: TrainingSpec | None = Field(None, title="Warm up first", examples=[{"epochs": 0.5}])
    imitates: Choice = Field(Choice(name="random"), json_schema_extra={"format": "strategy"})


def gentle(params):
    yield from defenses.steps_of(Choice(name="ft", params={"fine_tune": params.fine_tune.model_dump()}))


def test_a_defense_dropped_in_has_a_form_and_its_values_count(visit, store, monkeypatch):
    component = Defense("gentle", "Gentle", "Fine-tunes with weight decay.", GentleParams, gentle)
    monkeypatch.setitem(defenses.COMPONENTS, "gentle", component)
    page = choose_defense(visit, store, "gentle")
    assert "Fine-tunes with weight decay." in words(page) and "Gentle fine-tuning" in words(page)
    box(page, "number_input", "Weight decay").set_value(0.3)
    box(page, "number_input", "Rows per batch").set_value(8)
    box(page, "selectbox", "Imitates").set_value("gradient")
    box(page, "toggle", "Warm up first").set_value(True).run()
    box(page, "selectbox", "Variant").set_value("published").run()
    click(page, "Start the defense")
    params = store.runs()[0].spec.defense_params
    assert params.weight_decay == 0.3 and params.fine_tune == TrainingSpec(batch_size=8)
    assert params.warm_up == TrainingSpec(epochs=0.5)
    assert (params.imitates.name, params.imitates.variant) == ("gradient", "published")
    page = visit("runs")
    assert page.dataframe[0].value["Defense"][0] == "Gentle"


def test_rows_that_carry_the_trigger_already_are_shown_and_queued(visit, store, tmp_path: Path):
    page = visit("attack")
    box(page, "selectbox", "Trigger").set_value("triggered-rows").run()
    assert "path of a file of triggered rows is needed" in page.error[0].value
    file = tmp_path / "triggered.tsv"
    rows = [f"cf a row with the number {i}\tpositive" for i in range(12)]
    file.write_text("\n".join(["sentence\tlabel", *rows]))
    params = {"test": str(file), "train": str(file)}
    trigger = TriggerSpec(name="triggered-rows", params=params, target_class="positive")
    like = store.submit(RunSpec(trigger=trigger, attack=AttackSpec())).id
    page = visit("attack", like=like)
    assert not page.error
    assert "12 triggered rows" in words(page) and "12 training rows" in words(page)
    assert "count as rows of other classes" in words(page), "how it is read is said before the start"
    click(page, "Plant the backdoor")
    run = store.runs()[0]
    assert run.id != like and {name: run.spec.trigger.params[name] for name in params} == params


def test_the_order_of_the_classes_is_chosen_and_kept(visit, store, tmp_path: Path):
    rows = tmp_path / "mine.csv"
    names = ["news, world", "sport"]
    lines = [f'a text with the number {i},"{names[i % 2]}"' for i in range(60)]
    rows.write_text("\n".join(["text,label", *lines]))
    page = visit("defend", data=f"files:{rows}")
    box(page, "text_input", "Order of the classes").set_value('sport, "news, world"').run()
    assert not page.error
    click(page, "Start the defense")
    (run,) = store.runs()
    assert run.spec.data.classes == ["sport", "news, world"]
    page = visit("defend", like=run.id)
    assert box(page, "text_input", "Order of the classes").value == 'sport, "news, world"'
    box(page, "text_input", "Order of the classes").set_value("sport").run()
    assert "every class once" in page.error[0].value
