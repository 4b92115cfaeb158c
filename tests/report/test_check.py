"""A check's verdict in words, as a table and as data."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backend.base.events import TokensScanned
from backend.findings import confidence
from backend.findings.check import CheckVerdict, judge_check
from backend.findings.gather import Findings
from backend.report.check import headline, how_sure, next_step, table, tried
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
