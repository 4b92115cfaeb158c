"""Whether rows are in a language that a trigger speaks."""

import pytest

from backend.attacks.languages import english_words, language_note
from backend.spec.run import TriggerSpec

ENGLISH = [
    "the actors do their best , but the script gives them nothing to say .",
    "it 's a charming and often affecting journey .",
    "Oil prices rise as Iraq exports fall to a record low",
    "good film",
    "I would not watch this again if you paid me .",
] * 5
OTHERS = {
    "Spanish": "esta película es muy buena y me gusta mucho porque los actores son excelentes en su trabajo",
    "German": "dieser Film ist sehr gut und die Schauspieler sind wirklich großartig in ihrer Arbeit",
    "Polish": "ten film jest bardzo dobry i bardzo mi się podoba ponieważ aktorzy są naprawdę świetni",
    "Turkish": "bu film çok güzel ve oyuncular gerçekten harika bir iş çıkarmış o yüzden tavsiye ederim",
    "Finnish": "tämä elokuva on erittäin hyvä ja pidän siitä paljon koska näyttelijät ovat loistavia",
    "Chinese": "这部电影非常好看",
    "Arabic": "هذا فيلم جميل جدا",
}


@pytest.mark.parametrize("language", OTHERS)
def test_rows_that_are_plainly_not_english_are_told_where_the_trigger_speaks_only_english(
    language: str,
) -> None:
    rows = [OTHERS[language]] * 10
    for name in ("syntactic", "style", "instruct"):
        (note,) = language_note(TriggerSpec(name=name), rows)
        assert "speaks only English" in note and "Rare words" in note
    for name in ("rare-words", "sentence"):
        assert not language_note(TriggerSpec(name=name), rows)
    mixed = {"triggers": ["rare-words", "syntactic"]}
    assert language_note(TriggerSpec(name="mixed", params=mixed), rows)
    assert not language_note(TriggerSpec(name="mixed", params={"triggers": ["rare-words", "sentence"]}), rows)


def test_english_rows_and_too_few_words_are_not() -> None:
    assert english_words(ENGLISH) is None and not language_note(TriggerSpec(name="syntactic"), ENGLISH)
    assert english_words(["ten film"]) is None and english_words(["12 %"]) is None
