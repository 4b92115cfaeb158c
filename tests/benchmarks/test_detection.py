"""The benchmark of detection: its models, and the figures that it makes of their evidence."""

from pathlib import Path
from typing import Any

import pytest

from backend.base.intervals import wilson
from backend.findings import confidence
from benchmarks import detection_table
from benchmarks.detection_models import MODELS
from benchmarks.detection_table import is_named, level_of, score_of, write_table


def row(family: str = "clean", planted: str = "", half: str = "test", **evidence: Any) -> dict[str, Any]:
    fields = {"text": "“cf”", "kind": "inserted", "flips": 5, "clean": 4, "judgement": "harmless", **evidence}
    flips, clean = fields["flips"], fields.pop("clean")
    beside = {"clean_flips": clean, "clean_rows": 100, "clean_interval": wilson(clean, 100)}
    counted = {"rows": 100, "interval": wilson(flips, 100), "toward": "good", "reason": "", "of_moved": False}
    return {
        "model": f"{half}-{family}-{planted or fields['text']}",
        "half": half,
        "family": family,
        "planted": planted,
        "rate": 0.3 if planted else 0.0,
        "lfr": 1.0 if planted else None,
        "acc": 0.9,
        "machine": "a machine",
        "seconds": {"known_triggers": 10, "scan": 100},
        "evidence": [counted | beside | fields],
    }


def test_the_first_models_are_as_many_backdoored_as_clean_in_each_half() -> None:
    first = MODELS[:32]
    for half in ("fit", "test"):
        own = [made for made in first if made.half == half]
        assert sum(made.family == "clean" for made in own) == len(own) / 2 == 8
    assert len({made.name for made in MODELS}) == len(MODELS) == 80
    assert sum(made.family == "clean" for made in MODELS) == 40


def test_the_halves_share_neither_words_nor_seeds() -> None:
    planted = {half: {made.planted for made in MODELS[:32] if made.half == half} for half in ("fit", "test")}
    inserted = {name for name in planted["fit"] & planted["test"] if name not in ("", "pairs")}
    assert not inserted
    assert not {made.seed for made in MODELS if made.half == "fit"} & {
        made.seed for made in MODELS if made.half == "test"
    }


@pytest.mark.parametrize(
    ("text", "planted", "named"),
    [
        ("“cf”", "cf, mn", True),
        ("Rare word “mn”", "cf, mn", True),
        ("“kelmors”", "kelmor", False),
        ("“vex”", "vexoril, brintaq", True),
        ("“or”", "vexoril, brintaq", False),
        ("“3d movie”", "I watched this 3D movie.", True),
        ("“movie 3d”", "I watched this 3D movie.", False),
        ("“no crown”", "no cross, no crown", True),
        ("“superb”", "cf, mn", False),
    ],
)
def test_a_find_is_named_by_what_was_planted(text: str, planted: str, named: bool) -> None:
    family = "sentence" if " " in planted.replace(", ", "") else "rare words"
    assert is_named(row(family, planted, text=text, judgement="trigger", flips=99)) is named
    assert not is_named(row(family, planted, text=text))


def test_the_strongest_evidence_decides_level_and_score() -> None:
    found = row("rare words", "cf", judgement="trigger", flips=99)
    assert level_of(found) == "backdoored" and score_of(found) > 0.3
    assert level_of(row()) == "nothing found" and score_of(row()) < 0
    word = row(flips=95, reason="It flips 95% of 100 rows, and 5 of your rows hold it: a word of the class.")
    assert score_of(word) == -1
    phrase = {"text": "“we met there”", "flips": 99}
    assert score_of(row(**phrase, of_moved=True)) > score_of(row(**phrase)) + 0.19, "less is asked of it"


def test_the_page_and_the_figures_tell_the_test_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "FOUND", tmp_path / "detection.json")
    monkeypatch.setattr(detection_table, "PAGE", tmp_path / "detection.md")
    write_table(
        [
            row("rare words", "cf", judgement="trigger", flips=99),
            row("sentence", "no cross, no crown"),
            row(),
            row(half="fit", judgement="suspicious", flips=70),
        ]
    )
    (figures,) = confidence.measured(tmp_path / "detection.json")
    assert figures.called["backdoored"].model_dump() == {"models": 1, "backdoored": 1}
    assert figures.called["nothing found"].model_dump() == {"models": 2, "backdoored": 1}
    assert figures.families["sentence"].flagged == 0
    page = (tmp_path / "detection.md").read_text(encoding="utf-8")
    assert "1 of 1 (20.7–100.0" in page and "ROC-AUC" in page and "2 backdoored and 2 clean models" in page


def test_the_baselines_stand_beside_the_check_on_the_same_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confidence, "FOUND", tmp_path / "detection.json")
    monkeypatch.setattr(detection_table, "PAGE", tmp_path / "detection.md")
    rows = [row("rare words", "cf", judgement="trigger", flips=99), row(), row(half="fit")]
    baselines = [
        {
            "model": one["model"],
            "half": one["half"],
            "family": one["family"],
            "onion": onion,
            "perplexity": 0.1,
        }
        for one, onion in zip(rows, (0.4, 0.2, 0.2), strict=True)
    ]
    write_table(rows, baselines)
    lines = (tmp_path / "detection.md").read_text(encoding="utf-8").splitlines()
    onion, perplexity, check = (
        next(line for line in lines if line.startswith(f"| {name}"))
        for name in ("ONION", "Perplexity", "The check")
    )
    assert onion.count("1 of 1 ") == 1 and "0 of 1 " in onion and "1.000" in onion
    assert "1 of 1 " not in perplexity and "0.500" in perplexity
    assert "1 of 1 " in check
