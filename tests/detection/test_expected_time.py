"""How long a check takes grows with what it does, and stays within what was promised for MiniLM."""

import pytest

from backend.detection.expected_time import expected_seconds
from backend.models.facts import BERT_BASE, MINILM
from backend.spec.run import CheckSpec


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.detection.expected_time.cores", lambda: 2)
    monkeypatch.setattr("backend.detection.expected_time.processors", lambda: "CPU, 2 cores")


def seconds(
    check: CheckSpec, facts=MINILM, vocabulary: int = 30_522, rows: int = 7_000, classes: int = 2
) -> float:
    return expected_seconds(check, facts.layer_parameters, vocabulary, rows, classes)


def test_all_of_it_on_minilm_takes_some_minutes() -> None:
    assert 90 < seconds(CheckSpec()) < 300


def test_less_to_do_takes_less() -> None:
    whole = seconds(CheckSpec())
    assert all(
        seconds(CheckSpec(**{name: False})) < whole for name in ("known_triggers", "scan", "clean_model")
    )
    assert seconds(CheckSpec(most_tokens=1_000)) < whole
    assert seconds(CheckSpec(), rows=100) < whole


def test_a_larger_model_or_vocabulary_takes_more() -> None:
    assert seconds(CheckSpec(), BERT_BASE) > 3 * seconds(CheckSpec())
    assert seconds(CheckSpec(), classes=4) > seconds(CheckSpec())
    assert seconds(CheckSpec(), vocabulary=50_000) > seconds(CheckSpec())
    assert seconds(CheckSpec(), vocabulary=250_000) == seconds(CheckSpec(), vocabulary=60_000), "bounded"


def test_a_gpu_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = seconds(CheckSpec())
    monkeypatch.setattr("backend.detection.expected_time.processors", lambda: "Some GPU, 80 GB")
    assert seconds(CheckSpec()) < whole


def test_a_larger_base_takes_more_unless_there_is_no_clean_model() -> None:
    def beside(check: CheckSpec, base: float) -> float:
        return expected_seconds(check, MINILM.layer_parameters, 30_522, 7_000, 2, base)

    large, small = BERT_BASE.layer_parameters, MINILM.layer_parameters
    assert beside(CheckSpec(), large) > beside(CheckSpec(), small)
    without = CheckSpec(clean_model=False)
    assert beside(without, large) == beside(without, small)
