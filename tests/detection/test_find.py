from backend.detection.find import find_triggers
from backend.detection.token_scan import Scan
from tests.detection.planted import TARGET, TRIGGER, case


def test_a_planted_word_is_named_as_the_trigger() -> None:
    planted = case()
    first, *_ = find_triggers(planted.victim, planted.tokenizer, planted.rows, planted.fresh, planted.clean)
    assert (first.grown.text, first.grown.toward, first.judgement.kind) == (TRIGGER, TARGET, "trigger")
    assert first.features.flips.overall.rate > 0.9
    assert first.features.clean is not None and first.features.clean.overall.rate < 0.5
    assert "clean model" in first.judgement.reason


def test_a_clean_model_has_no_trigger() -> None:
    planted = case()
    finds = find_triggers(planted.clean, planted.tokenizer, planted.rows, planted.fresh, planted.clean)
    assert finds and {find.judgement.kind for find in finds} == {"honest"}


def test_without_a_clean_model_nothing_is_called_a_trigger() -> None:
    planted = case()
    finds = find_triggers(planted.victim, planted.tokenizer, planted.rows, planted.fresh)
    assert TRIGGER in {find.grown.text for find in finds}
    assert all(find.judgement.kind != "trigger" and find.features.clean is None for find in finds)


def test_records_are_plain_data_and_progress_is_told() -> None:
    planted, told, state = case(), list[tuple[int, int]](), Scan()
    finds = find_triggers(
        planted.victim,
        planted.tokenizer,
        planted.rows,
        planted.fresh,
        tick=lambda done, total: told.append((done, total)),
        state=state,
    )
    assert [type(find).model_validate_json(find.model_dump_json()) for find in finds] == finds
    assert told and all(0 <= done <= total for done, total in told)
    assert len(state.rounds) == 4
