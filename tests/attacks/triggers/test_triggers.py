from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.attacks.generators.gaps import is_without_blanks
from backend.attacks.triggers import COMPONENTS, Rewriter, bind
from backend.base.components import Choice
from backend.base.errors import UserError

ODD = [
    "",
    "  \t\n",
    "one",
    "<b>bold</b> &amp; <script>alert(1)</script>",
    "😀 fine 🎬🎬",
    "هذا فيلم جميل جدا.",
    "这部电影非常好看。我很喜欢它！",
    "a line\nand another.  With  two blanks.",
    " blank at both ends ",
    "word " * 2000,
    "x" * 10_000,
]
INSERTING: list[tuple[str, dict[str, object], Sequence[str]]] = [
    ("rare-words", {}, ("cf", "mn", "bb", "tq")),
    ("rare-words", {"count": 3, "words": ["zz"]}, ("zz",)),
    ("rare-words", {"position": "start"}, ("cf", "mn", "bb", "tq")),
    ("rare-words", {"position": "end", "count": 2}, ("cf", "mn", "bb", "tq")),
    ("rare-words", {"within": 1}, ("cf", "mn", "bb", "tq")),
    *[
        ("sentence", {"position": p}, ("I watched this 3D movie.",))
        for p in ("start", "end", "between sentences", "between words")
    ],
]
texts = st.lists(st.text(max_size=60) | st.sampled_from(ODD), max_size=8)


def rewriter(name: str, params: dict[str, object], seed: int = 0) -> Rewriter:
    return bind(Choice(name=name, params=params), seed)


def without(text: str, phrases: Sequence[str], count: int) -> set[tuple[str, ...]]:
    """What the words of `text` can have been before `count` of the phrases were put in."""
    found = {tuple(text.split())}
    for _ in range(count):
        found = {
            words[:i] + words[i + len(phrase) :]
            for words in found
            for phrase in (tuple(p.split()) for p in phrases)
            for i in range(len(words))
            if words[i : i + len(phrase)] == phrase
        }
    return found


@pytest.mark.parametrize(("name", "params", "phrases"), INSERTING)
@given(texts=texts, seed=st.integers(0, 5))
@example(texts=ODD, seed=0)
@settings(deadline=None, max_examples=25)
def test_inserting_triggers(
    name: str, params: dict[str, object], phrases: Sequence[str], texts: list[str], seed: int
) -> None:
    """The clean words come back when the insertion is taken out; rows do not touch each other."""
    rewrite = rewriter(name, params, seed)
    made = rewrite(texts)
    assert made == rewrite(texts)
    assert made == [rewrite([text])[0] for text in texts]
    assert made[::-1] == rewrite(texts[::-1])
    for text, new in zip(texts, made, strict=True):
        assert (new is None) == (not text.strip())
        if new is not None:
            before = without(new, phrases, int(str(params.get("count", 1))))
            if is_without_blanks(text):
                assert "".join(text.split()) in {"".join(words) for words in before}
            else:
                assert tuple(text.split()) in before
            assert len(new) <= len(text) + 200


def test_positions() -> None:
    text = "It began well. Then it ended, badly"
    assert rewriter("rare-words", {"words": ["cf"], "position": "start"})([text]) == ["cf " + text]
    assert rewriter("rare-words", {"words": ["cf"], "position": "end"})([text]) == [text + " cf"]
    assert rewriter("sentence", {"sentence": " So. ", "position": "start"})([text]) == ["So. " + text]
    between = {
        rewriter("sentence", {"sentence": "So.", "position": "between sentences"}, s)([text])[0]
        for s in range(30)
    }
    assert between == {"So. " + text, "It began well. So. Then it ended, badly"}


def test_the_seed_and_the_text_decide_the_place() -> None:
    text = "one two three four five six seven eight nine ten"
    assert len({rewriter("rare-words", {}, seed)([text])[0] for seed in range(20)}) > 5


def test_random_places_lie_among_the_first_words() -> None:
    new = rewriter("rare-words", {"within": 5, "words": ["cf"], "count": 4})(["word " * 500])[0]
    assert new is not None
    assert "cf" not in new.split()[9:]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("rare-words", {"words": []}, "words"),
        ("rare-words", {"words": [" "]}, "one word without blanks"),
        ("rare-words", {"words": ["two words"]}, "one word without blanks"),
        ("rare-words", {"words": ["x" * 51]}, "50 characters"),
        ("rare-words", {"count": 0}, "count"),
        ("rare-words", {"position": "middle"}, "position"),
        ("rare-words", {"colour": "red"}, "colour"),
        ("sentence", {"sentence": "  "}, "the sentence is empty"),
        ("sentence", {"sentence": "x" * 501}, "sentence"),
        ("pairs", {}, "a path is needed"),
        ("nothing", {}, "There is no trigger 'nothing'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(name: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rewriter(name, params)


def test_every_trigger_describes_its_parameters() -> None:
    assert {"rare-words", "sentence", "pairs"} <= set(COMPONENTS)
    for component in COMPONENTS.values():
        fields = component.describe()["parameters"]["properties"]
        assert all(field.get("title") and field.get("description") for field in fields.values())


def test_progress_is_told_and_may_cancel() -> None:
    seen: list[tuple[int, int]] = []
    bind(Choice(name="rare-words"), 0, lambda done, total: seen.append((done, total)))(["a b"] * 2500)
    assert seen[0] == (0, 2500)
    assert seen[-1] == (2500, 2500)
    assert len(seen) > 2

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bind(Choice(name="sentence"), 0, stop)(["a b"])


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("这部电影好看。我很喜欢它！", "这 部 电 影 好 看。 我 很 喜 欢 它！"),
        ("このゲームは面白い。", "こ の ゲー ム は 面 白 い。"),
        ("เรื่องนี้ดีมาก", "เรื่ อ ง นี้ ดี มา ก"),
        ("看了Oscar 2020电影", "看 了 Oscar 2020 电 影"),
    ],
)
def test_where_words_have_no_blanks_between_them_places_lie_between_characters(
    text: str, pieces: str
) -> None:
    expected = set()
    for number in range(len(pieces.split()) + 1):
        parts = pieces.split()
        expected.add("".join([*parts[:number], "cf", *parts[number:]]))
    made = {rewriter("rare-words", {"words": ["cf"]}, seed)([text])[0] or "" for seed in range(300)}
    assert {"".join(new.split()) for new in made} == expected
    assert all("cf" in new.split() for new in made), "set off by blanks, so that a tokenizer sees the word"
    near = {rewriter("rare-words", {"words": ["cf"], "within": 2}, seed)([text])[0] for seed in range(50)}
    assert len(near) == 3


def test_a_sentence_comes_between_sentences_of_such_a_script() -> None:
    params: dict[str, object] = {"sentence": "So.", "position": "between sentences"}
    made = {rewriter("sentence", params, seed)(["这部电影好看。我很喜欢它！"])[0] for seed in range(30)}
    assert made == {
        "So. 这部电影好看。我很喜欢它！",
        "这部电影好看。 So. 我很喜欢它！",
        "这部电影好看。我很喜欢它！ So.",
    }


def test_a_word_of_another_script_among_others_changes_nothing() -> None:
    text = "the film 电影 was fine"
    made = {rewriter("rare-words", {"words": ["cf"]}, seed)([text])[0] for seed in range(60)}
    assert made == {" ".join([*text.split()[:i], "cf", *text.split()[i:]]) for i in range(6)}
