"""How often a check was right is told only where it was measured."""

import json
from pathlib import Path

import pytest

from backend.findings.confidence import Measured, confidence, measured, measured_for

FIGURES = Measured.model_validate(
    {
        "architecture": "bert",
        "layers": 6,
        "heads": 12,
        "rows": 1000,
        "called": {
            "backdoored": {"models": 6, "backdoored": 6},
            "suspicious": {"models": 0, "backdoored": 0},
            "nothing found": {"models": 10, "backdoored": 2},
        },
        "families": {"sentence": {"models": 3, "flagged": 3, "named": 2}},
    }
)


def test_it_is_the_share_of_models_that_are_what_was_said() -> None:
    found, passed = confidence("backdoored", FIGURES), confidence("nothing found", FIGURES)
    assert found is not None and (found.right, found.models) == (6, 6)
    assert passed is not None and (passed.right, passed.models) == (8, 10)
    assert passed.interval == pytest.approx((0.490, 0.943), abs=0.001)


def test_what_no_model_was_called_was_not_measured() -> None:
    assert confidence("suspicious", FIGURES) is None
    assert confidence("cannot tell", FIGURES) is None


def test_it_holds_for_the_measured_architecture_and_size_alone() -> None:
    shape = {"architecture": "bert", "layers": 6, "heads": 12, "classes": ["a", "b"]}
    assert measured_for(shape, [FIGURES]) == FIGURES
    assert measured_for(shape | {"layers": 12}, [FIGURES]) is None
    assert measured_for({}, [FIGURES]) is None


def test_figures_are_read_from_the_file_that_the_benchmark_writes(tmp_path: Path) -> None:
    path = tmp_path / "detection.json"
    assert measured(path) == []
    path.write_text(json.dumps([FIGURES.model_dump(mode="json")]), encoding="utf-8")
    assert measured(path) == [FIGURES]
