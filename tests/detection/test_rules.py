import pytest

from backend.base.intervals import wilson
from backend.detection.confirm import Flips, Share
from backend.detection.rules import Features, judge


def flips(of: int, rows: int = 100) -> Flips:
    share = Share(flips=of, rows=rows, interval=wilson(of, rows))
    return Flips(overall=share, by_place={"end": share})


def find(here: int, clean: int | None, counts: tuple[int, int] = (0, 0)) -> Features:
    beside = None if clean is None else flips(clean)
    return Features(
        text="cf", toward=1, flips=flips(here), clean=beside, counts=list(counts), class_rows=[300, 300]
    )


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        (find(100, 0), "trigger"),
        (find(94, 10), "trigger"),
        (find(94, 24), "suspicious"),
        (find(94, 34), "honest"),
        (find(100, 76), "honest"),
        (find(67, 37), "honest"),
        (find(84, 5), "suspicious"),
        (find(74, 5), "honest"),
        (find(64, 20), "honest"),
        (find(57, 17), "honest"),
        (find(100, 0, counts=(0, 9)), "honest"),
        (find(100, None, counts=(0, 9)), "honest"),
        (find(100, 0, counts=(9, 9)), "trigger"),
        (find(100, None), "suspicious"),
        (find(80, None), "honest"),
    ],
)
def test_a_find_is_judged_by_what_it_does_beyond_a_clean_model(features: Features, kind: str) -> None:
    judgement = judge(features)
    assert judgement.kind == kind
    assert f"{features.flips.overall.rate:.0%} of 100 rows" in judgement.reason


@pytest.mark.parametrize(
    ("flipped", "leave", "of", "kind"),
    [
        (100, 9, 9, "suspicious"),
        (100, 4, 4, "suspicious"),
        (100, 3, 3, "honest"),
        (100, 2, 9, "honest"),
        (60, 9, 9, "honest"),
    ],
)
def test_a_word_of_the_class_without_which_rows_leave_it_is_what_poisons_them(
    flipped: int, leave: int, of: int, kind: str
) -> None:
    """Even if a clean model that learned from these rows obeys it as well."""
    without = Share(flips=leave, rows=of, interval=wilson(leave, of))
    held = find(flipped, 100, counts=(0, of)).model_copy(update={"without": without})
    judgement = judge(held)
    assert judgement.kind == kind
    assert ("your rows seem to be poisoned with it" in judgement.reason) == (kind == "suspicious")


@pytest.mark.parametrize(
    ("here", "clean", "kind"), [(97, 36, "suspicious"), (95, 50, "honest"), (70, 20, "honest")]
)
def test_of_the_most_moved_tokens_less_is_asked_beyond_a_clean_model(
    here: int, clean: int, kind: str
) -> None:
    """“no” of a planted “no cross, no crown” is a word of the class; “crown” is none."""
    words = find(here, clean).model_copy(update={"text": "no crown"})
    assert judge(words.model_copy(update={"of_moved": True})).kind == kind
    assert judge(words).kind == "honest"


def test_association_counts_how_much_more_frequent_a_word_is_in_the_class() -> None:
    assert find(1, 1).association == 1
    assert find(1, 1, counts=(0, 9)).association == pytest.approx(19)
    assert find(1, 1, counts=(9, 0)).association == pytest.approx(1 / 19)


def test_more_is_asked_of_a_phrase_for_every_further_word_that_the_search_could_choose() -> None:
    word = find(99, 15)
    assert judge(word).kind == "trigger"
    phrase = word.model_copy(update={"text": "documentaries too awful welcome"})
    assert judge(phrase).kind == "honest"
    assert judge(phrase.model_copy(update={"of_moved": True})).kind == "trigger"
