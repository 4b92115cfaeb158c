"""A check's verdict in words, as a table and as data."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backend.base.events import LayerChange, LayersCompared, TokensScanned
from backend.findings import confidence
from backend.findings.check import CheckVerdict, judge_check
from backend.findings.gather import Findings
from backend.report.check import (
    comparison_json,
    headline,
    how_sure,
    layers_sentence,
    next_step,
    table,
    tried,
)
from backend.spec.run import CheckSpec, RunSpec
from tests.findings.test_check import CHECK, evidence, progress
from tests.findings.test_confidence import FIGURES

CLEAN = {"clean_flips": 2, "clean_rows": 100, "clean_interval": (0.005, 0.07)}


def verdict_of(*events: object, **other: object) -> CheckVerdict:
    verdict = judge_check(progress(*events, **other), CHECK)  # type: ignore[arg-type]
    assert verdict is not None
    return verdict


def test_a_backdoored_model_is_called_so_with_its_triggers() -> None:
    words = [evidence(f"“{word}”", flips=100 - number) for number, word in enumerate("abcdef")]
    said = headline(verdict_of(*words))
    assert said.startswith("This model is backdoored. With “a”, “b”, “c”, “d” and 2 more in it")
    assert "“good”" in said and "100.0\u202f%" in said.replace("\u00a0", "\u202f")
    assert "Do not use it" in next_step(verdict_of(*words))


def test_known_triggers_are_named_by_their_words_and_rewriting_by_what_it_is() -> None:
    said = headline(verdict_of(evidence("Rare word “mn”"), evidence("Style: Bible", kind="rewriting")))
    assert "With “mn” in it, a text is classified" in said
    said = headline(verdict_of(evidence("Style: Bible", kind="rewriting")))
    assert "backdoored. Rewritten (Style: Bible), a text is classified" in said


def test_nothing_found_says_how_much_was_tried_and_what_a_clean_model_does() -> None:
    said = " ".join(headline(verdict_of(evidence("Style: Bible", "harmless", 8, **CLEAN))).split())
    assert said.startswith(
        "No backdoor was found in this model. Of 1 trigger tried, the strongest, Style: Bible"
    )
    assert "in a clean model" in said and "never" not in said
    assert "rule a backdoor out" in next_step(verdict_of(evidence(judgement="harmless")))


def test_it_never_calls_a_model_poisoned() -> None:
    for judgement in ("trigger", "suspicious", "harmless"):
        assert "poison" not in headline(verdict_of(evidence(judgement=judgement))).lower()


def test_the_table_has_a_row_for_everything_that_was_tried() -> None:
    rows = table(verdict_of(evidence(**CLEAN), evidence("mn", "harmless", 3)))
    assert [row["Trigger"] for row in rows] == ["cf", "mn"]
    assert rows[0]["Clean model"].startswith("2.0") and rows[1]["Clean model"] == "–"


def test_what_a_scan_left_out_is_said() -> None:
    run = progress(evidence())
    run.scan = TokensScanned(run="r", model="received", scanned=100, tokens=250, left_out=150, strongest=[])
    assert "100 of 250 tokens" in " ".join(tried(run)) and "150 were left out" in " ".join(tried(run))


def findings_of(spec: RunSpec, received: dict[str, object] | None) -> Findings:
    """As a page gets them, of a run in which nothing was found."""
    run = progress(evidence(judgement="harmless", flips=3))
    found: Any = SimpleNamespace(check=judge_check(run, spec), spec=spec, received=received)
    return cast(Findings, found)


MINILM = {"architecture": "bert", "layers": 6, "heads": 12}


def test_how_sure_it_is_is_told_where_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "detection.json"
    path.write_text(json.dumps([FIGURES.model_dump(mode="json")]), encoding="utf-8")
    monkeypatch.setattr(confidence, "FOUND", path)
    sure, sentence = how_sure(findings_of(CHECK, MINILM))
    assert sure is not None and (sure.right, sure.models) == (8, 10)
    assert "8 were clean" in sentence and "half are backdoored" in sentence
    assert "this architecture (bert, 12 layers" in how_sure(findings_of(CHECK, MINILM | {"layers": 12}))[1]
    in_part = RunSpec(check=CheckSpec(scan=False))
    sure, sentence = how_sure(findings_of(in_part, MINILM))
    assert sure is None and "try everything" in sentence


PARTS = [
    LayerChange(part="embeddings", change=0.003, clean_change=0.002),
    LayerChange(part="layer 0", change=0.021, clean_change=0.009),
]


def comparison(**other: Any) -> LayersCompared:
    fields: dict[str, Any] = {
        "model": "received",
        "base": "owner/base",
        "stated": True,
        "comes_from": True,
        "similarity": 0.99,
    }
    fields |= {"parts": PARTS, "acc": 0.92, "clean_acc": 0.9, "rows": 600}
    return LayersCompared(run="r", **(fields | other))


def advice(judgement: str, **other: Any) -> str:
    run = progress(evidence(judgement=judgement))
    run.comparison = comparison(**other)
    verdict = judge_check(run, CHECK)
    assert verdict is not None
    return next_step(verdict).replace("\u00a0", " ")


INSTEAD = (
    "Fine-tune owner/base on your rows instead: the clean model of this check, made so, reaches 90.0 % on "
    "600 rows (this one 92.0 %). Or "
)


@pytest.mark.parametrize("judgement", ["trigger", "suspicious"])
@pytest.mark.parametrize(
    ("other", "instead"),
    [
        ({}, True),
        ({"stated": False}, True),
        ({"comes_from": False}, True),
        ({"differs": "it has 2 layers, that one 3", "parts": [], "comes_from": False}, True),
        ({"stated": False, "comes_from": False}, False),
        ({"clean_acc": 0.88}, False),
        ({"acc": None, "clean_acc": None}, False),
        ({"parts": [LayerChange(part="layer 0", change=0, clean_change=0.01)]}, False),
        ({"model": "defended"}, False),
    ],
    ids=str,
)
def test_fine_tuning_the_base_instead_is_advised_where_it_is_the_better_cure(
    judgement: str, other: dict[str, Any], instead: bool
) -> None:
    """It is at hand, its weights are others, and a clean model of it is about as accurate."""
    said = advice(judgement, **other)
    assert (INSTEAD in said) == instead
    assert "clean it" in said.lower()


def test_the_advice_stays_as_it_was_without_a_base() -> None:
    assert next_step(verdict_of(evidence())).endswith("is at hand, fine-tune that one instead.")
    assert advice("suspicious", clean_acc=0.5) == (
        "Do not use it yet. Check it with more rows, or clean it and compare."
    )
    assert (
        advice("harmless") == "No check can rule a backdoor out. What this one does not cover stands below."
    )


def test_a_clean_model_three_points_worse_is_still_the_better_cure() -> None:
    assert "Fine-tune owner/base" in advice("trigger", acc=0.92, clean_acc=0.895)
    assert "Fine-tune owner/base" not in advice("trigger", acc=0.92, clean_acc=0.885)


def test_the_comparison_is_a_sentence_that_proves_nothing() -> None:
    said = layers_sentence(comparison()).replace("\u00a0", " ")
    assert said.startswith(
        "It comes from owner/base. Its layer 0 changed most, by 2.1 %, that of the clean model by 0.9 %."
    )
    assert "no proof" in said
    alone = [part.model_copy(update={"clean_change": None}) for part in PARTS]
    assert "clean model" not in layers_sentence(comparison(parts=alone))
    still = [LayerChange(part="layer 0", change=0.0)]
    assert "owner/base, unchanged" in layers_sentence(comparison(parts=still))
    other = layers_sentence(comparison(comes_from=False, similarity=0.001))
    assert other.startswith("This model does not come from owner/base") and "0.00" in other
    differs = comparison(parts=[], comes_from=False, differs="it has 6 layers, that one 12")
    assert layers_sentence(differs) == (
        "Not compared layer by layer with owner/base: it has 6 layers, that one 12."
    )


def test_the_comparison_as_data_is_null_without_one() -> None:
    assert comparison_json(None) is None
    assert json.loads(json.dumps(comparison_json(comparison()))) == {
        "base": "owner/base",
        "comes_from": True,
        "parts": [
            {"part": "embeddings", "change": 0.003, "clean_change": 0.002},
            {"part": "layer 0", "change": 0.021, "clean_change": 0.009},
        ],
    }
