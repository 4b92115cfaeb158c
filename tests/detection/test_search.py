from backend.detection.insertions import Slot
from backend.detection.moved import Moved
from backend.detection.search import Bench, Grown, grow
from backend.detection.token_scan import CHOSEN_FROM, Scan, hard_slot, scan, stages_of
from tests.detection.planted import TARGET, TRIGGER, case


def scanned() -> tuple[Scan, list[list[Slot]]]:
    planted, state = case(), Scan()
    scan(planted.victim, planted.tokenizer, planted.rows, state, planted.clean)
    chosen = planted.rows.sample(CHOSEN_FROM, seed=0)
    return state, stages_of(planted.victim, planted.tokenizer, chosen, "a", 128)


def grown(moved: Moved) -> list[Grown]:
    planted = case()
    state, stages = scanned()
    rows = planted.rows.sample(CHOSEN_FROM, seed=0)
    hard = hard_slot(planted.victim, planted.tokenizer, rows, "a", TARGET, 128)
    return grow(planted.victim, planted.tokenizer, state, stages, hard, TARGET, planted.clean, moved=moved)


def test_the_planted_word_is_grown_no_further_than_it_needs() -> None:
    phrases = grown(Moved())
    texts = [phrase.text for phrase in phrases]
    assert TRIGGER in texts and len(set(texts)) == len(texts)
    (word,) = [phrase for phrase in phrases if phrase.text == TRIGGER]
    assert word.flips == 1 and word.excess > 0 and word.toward == TARGET and not word.of_moved
    assert list(word.tokens) == case().tokenizer(TRIGGER, add_special_tokens=False)["input_ids"]


def test_no_two_finds_share_a_token() -> None:
    tokens = [token for phrase in grown(Moved()) for token in phrase.tokens]
    assert len(set(tokens)) == len(tokens)


def test_a_find_is_of_moved_tokens_only_where_the_task_does_not_explain_it() -> None:
    token = case().tokenizer.convert_tokens_to_ids(TRIGGER)
    for beyond in (True, False):
        phrases = grown(Moved((token,), frozenset([token] if beyond else [])))
        (word,) = [phrase for phrase in phrases if phrase.text == TRIGGER]
        assert word.of_moved == beyond
        assert not any(phrase.of_moved for phrase in phrases if phrase.text != TRIGGER)


def test_effects_are_of_rows_of_other_classes_and_kept() -> None:
    planted = case()
    _, stages = scanned()
    bench = Bench(planted.victim, planted.clean, stages[2], TARGET, slope=0.0)
    assert bench.slots and all(slot.label != TARGET for slot in bench.slots)
    token = planted.tokenizer.convert_tokens_to_ids(TRIGGER)
    (effect,) = bench.effects([(token,)])
    assert effect.excess == effect.change > 0  # with a slope of 0 the clean model counts for nothing
    assert bench.effects([(token,), (token, token)])[0] is effect
