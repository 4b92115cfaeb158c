from pathlib import Path

import numpy as np
import pytest

from backend.base.errors import UserError
from backend.data.rows import Rows
from backend.detection.token_scan import Scan, scan
from backend.detection.vocabulary import vocabulary_of
from tests.detection.planted import TARGET, TRIGGER, case


class Stopped(Exception):
    pass


def whole() -> Scan:
    planted, state = case(), Scan()
    scan(planted.victim, planted.tokenizer, planted.rows, state, planted.clean)
    return state


def test_the_planted_word_is_first_by_excess_and_among_the_first_by_score() -> None:
    state = whole()
    token = case().tokenizer.convert_tokens_to_ids(TRIGGER)
    assert state.ranking(TARGET, by_excess=True)[0] == token
    assert token in state.ranking(TARGET)[:6]
    assert state.has_clean and state.left_out == 0


def test_all_tokens_but_special_ones_are_ranked() -> None:
    planted, state = case(), whole()
    expected = vocabulary_of(planted.tokenizer, planted.victim).tokens.tolist()
    assert sorted(state.ranking(TARGET).tolist()) == sorted(expected)


def test_a_scan_that_was_stopped_and_saved_goes_on_to_the_same_end(tmp_path: Path) -> None:
    planted, state, expected, calls = case(), Scan(), whole(), 0

    def stop(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Stopped

    with pytest.raises(Stopped):
        scan(planted.victim, planted.tokenizer, planted.rows, state, planted.clean, stop)
    assert 0 < len(state.rounds) < 4
    state.save(tmp_path / "scan.npz")
    state = Scan.load(tmp_path / "scan.npz")
    scan(planted.victim, planted.tokenizer, planted.rows, state, planted.clean)
    for one, other in zip(state.rounds, expected.rounds, strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
        assert np.allclose(one.changes, other.changes, atol=1e-5, equal_nan=True)


def test_a_file_that_is_no_scan_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scan.npz"
    file.write_text("nothing")
    with pytest.raises(UserError, match="no state of a token scan"):
        Scan.load(file)


def test_a_bound_scans_words_that_the_rows_do_not_hold_and_says_what_was_left_out() -> None:
    planted, state = case(), Scan()
    scan(planted.victim, planted.tokenizer, planted.rows, state, most_tokens=3)
    tokens = len(vocabulary_of(planted.tokenizer, planted.victim).tokens)
    assert len(state.rounds[0].tokens) == 3 and state.left_out == tokens - 3
    assert planted.tokenizer.convert_tokens_to_ids(TRIGGER) in state.rounds[0].tokens


def test_a_model_that_is_never_right_is_not_scanned() -> None:
    planted = case()
    wrong = Rows(planted.rows.texts, [0] * len(planted.rows)).take(
        [i for i, text in enumerate(planted.rows.texts) if text in ("good", "great", "fine", "superb")][:2]
    )
    if len(wrong):
        with pytest.raises(UserError, match="classifies none of"):
            scan(planted.victim, planted.tokenizer, wrong, Scan())
