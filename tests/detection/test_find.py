from typing import Any

from transformers import PreTrainedModel

from backend.base.progress import no_tick
from backend.detection.clean_model import CleanModel
from backend.detection.find import evidence_of
from backend.detection.moved import Moved
from backend.detection.token_scan import Scan, scan
from backend.detection.tried import Suspect
from tests.detection.planted import TARGET, TRIGGER, case

NAMES = ["bad", "good"]


def evidence(model: PreTrainedModel, clean: PreTrainedModel | None) -> list[tuple[dict[str, Any], str, str]]:
    """All stages: scan, grow, confirm, judge."""
    planted, state = case(), Scan()
    scan(model, planted.tokenizer, planted.rows, state, clean)
    beside = None if clean is None else CleanModel(clean, planted.tokenizer, "a clean model")
    suspect = Suspect(model, planted.tokenizer, beside, 32)
    return list(evidence_of(suspect, state, planted.rows, planted.fresh, NAMES, Moved(), no_tick))


def test_a_planted_word_is_named_as_the_trigger() -> None:
    finds = evidence(case().victim, case().clean)
    ((fields, _, reason),) = [find for find in finds if find[1] == "trigger"]
    assert (fields["text"], fields["toward"]) == (f"“{TRIGGER}”", NAMES[TARGET])
    assert fields["flips"] > 0.9 * fields["rows"]
    assert fields["clean_flips"] < 0.5 * fields["clean_rows"]
    assert fields["clean_model"] == "a clean model" and "clean model" in reason
    assert all(TRIGGER in example["triggered"] for example in fields["examples"]) and fields["examples"]


def test_a_clean_model_has_no_trigger() -> None:
    finds = evidence(case().clean, case().clean)
    assert finds and {judgement for _, judgement, _ in finds} == {"harmless"}


def test_without_a_clean_model_nothing_that_a_scan_finds_is_called_a_trigger() -> None:
    finds = evidence(case().victim, None)
    assert f"“{TRIGGER}”" in {fields["text"] for fields, _, _ in finds}
    assert all(judgement != "trigger" and fields["clean_flips"] is None for fields, judgement, _ in finds)
