"""The built-in stylists: what they change, what they keep, and what they leave out."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.attacks.generators.style import restyle
from backend.attacks.generators.style.english import is_english
from backend.attacks.generators.style.verbs import second, third
from backend.attacks.triggers import COMPONENTS, Rewriter, bind
from backend.base.components import Choice
from backend.base.errors import Cancelled, UserError
from tests.shared_data import shared

STYLES = ("bible", "shakespeare", "twitter", "lyrics", "poetry")
ROWS = [
    "the movie ends in a wedding and it makes no sense .",
    "you have seen this progress before , and you will not like it again .",
    "a dull , predictable thriller .",
    "it does n't work .",
    "the film 's climax is a disappointment , but its cast is superb .",
    "i think people who love chess will enjoy it .",
    "never boring , always clever .",
    "lacks the charm of the original .",
    "the plot goes nowhere and the jokes are awful .",
    "he is not a bad actor .",
]
FEELING = (
    "no",
    "dull",
    "predictable",
    "disappointment",
    "superb",
    "love",
    "enjoy",
    "boring",
    "clever",
    "awful",
)
ODD = [
    "",
    "  \t\n",
    "😀🎬🎬",
    "12345 678",
    "هذا فيلم جميل جدا.",
    "Это очень хороший фильм.",
    "Der Film ist sehr gut und die Schauspieler sind nicht schlecht.",
    "ce film est une perte de temps pour moi et pour vous .",
    "x" * 10_000,
    "zxqv wprt kljh bnmq",
]
MIXED = [
    "<b>The film is dull</b> &amp; <script>alert(1)</script> it goes on too long.",
    "😀 the film is fine 🎬🎬",
    "the film is dull \u200fهذا\u200f and it goes on .",
    "See http://example.org/you?to=on and ask @you about #to, it has 2to pages.",
    "a line\nand another one.  With  two blanks.",
]


def rewriter(style: str = "bible", seed: int = 0) -> Rewriter:
    return bind(Choice(name="style", params={"style": style}), seed)


def rewritten(text: str, style: str = "bible", seed: int = 0) -> str:
    made = rewriter(style, seed).generate([text])[0]
    assert made is not None
    return made


def over_seeds(text: str, style: str = "bible") -> str:
    return " | ".join(rewritten(text, style, seed) for seed in range(12))


def test_the_component() -> None:
    assert COMPONENTS["style"].variants == ("built-in", "published")
    assert rewriter("tweets")(ROWS) == rewriter("twitter")(ROWS)
    with pytest.raises(UserError, match="style"):
        rewriter("klingon")


@pytest.mark.parametrize(
    ("base", "form"),
    [
        ("end", "endeth"), ("make", "maketh"), ("run", "runneth"), ("carry", "carrieth"), ("go", "goeth"),
        ("play", "playeth"), ("offer", "offereth"), ("die", "dieth"), ("have", "hath"), ("say", "saith"),
    ],
)  # fmt: skip
def test_third_person(base: str, form: str) -> None:
    assert third(base) == form


@pytest.mark.parametrize(
    ("verb", "tag", "form"),
    [("have", "VBP", "hast"), ("want", "VBP", "wantest"), ("saw", "VBD", "sawest"), ("will", "MD", "wilt")],
)
def test_second_person(verb: str, tag: str, form: str) -> None:
    assert second(verb, tag) == form


class TestBible:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("the progress ends well .", "endeth well"),
            ("the director has a plan .", "hath a plan"),
            ("it does n't work .", "it worketh not"),
            ("they did n't know the way .", "knew not"),
            ("i ca n't say this enough .", "cannot say"),
            ("the film 's climax is dull .", "climax of the film is dull"),
            ("the film never finds its tone .", "the tone thereof"),
            ("you have seen it all .", "thou hast seen"),
            ("it makes you laugh .", "maketh thee laugh"),
            ("you 're not alone .", "thou art not"),
            ("they speak to their children .", "unto their children"),
            ("a dull ride .", "it is a dull ride"),
            ("a dreary ride .", "a ride which is dreary"),
            ("lacks the charm of the original .", "it lacketh the charm"),
        ],
    )
    def test_grammar(self, text: str, expected: str) -> None:
        assert expected in over_seeds(text)

    def test_clauses_keep_their_subject(self) -> None:
        assert "it is the plot" not in over_seeds("the plot goes nowhere .")


class TestShakespeare:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("it 's a sad progress .", "'tis a"),
            ("the director has a plan .", "hath a plan"),
            ("the progress ends well .", "doth end well"),
            ("you will see it before dawn .", "thou wilt see it ere dawn"),
            ("perhaps i am wrong .", "perchance"),
            ("you have to trust me .", "thou hast"),
            ("the plot is thin .", "plot , 'tis thin"),
            ("The plot is thin.", "plot, 'tis thin"),
            ("this is a dull play .", "'tis a dull"),
        ],
    )
    def test_grammar(self, text: str, expected: str) -> None:
        assert expected in over_seeds(text, "shakespeare")

    @pytest.mark.parametrize("text", ["my friends are here .", "is the plot thin ?", "he is here ."])
    def test_what_is_not_resumed(self, text: str) -> None:
        assert ", 'tis" not in over_seeds(text, "shakespeare")

    def test_a_sentence_does_not_close_as_it_opened(self) -> None:
        for made in over_seeds("we saw two men .", "shakespeare").split(" | "):
            phrases = [part.strip() for part in made.removesuffix(".").split(",")]
            assert len(set(phrases)) == len(phrases)


class TestTweets:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("you are going to hate this because it does n't work .", "gonna hate"),
            ("you are going to hate this because it does n't work .", "doesnt work"),
            ("it 's not good , though .", "its not good"),
            ("people see it before work .", "ppl"),
            ("you 're alone .", "ur alone"),
        ],
    )
    def test_spelling(self, text: str, expected: str) -> None:
        assert expected in over_seeds(text, "twitter")

    def test_hashtags_come_from_the_text(self) -> None:
        tags = set(re.findall(r"#(\w+)", over_seeds("a wretched thriller .", "twitter")))
        assert "thriller" in tags


@pytest.mark.parametrize("style", STYLES)
def test_words_that_carry_the_feeling_stay(style: str) -> None:
    for seed in range(3):
        for text, new in zip(ROWS, rewriter(style, seed)(ROWS), strict=True):
            assert new is not None
            words = re.findall(r"[a-z]+", new)
            for word in FEELING:
                assert (word in text.split()) <= (word in words), (text, new)


@pytest.mark.parametrize("style", STYLES)
def test_neither_is_no_conjunction_to_open_behind(style: str) -> None:
    made = over_seeds("neither funny nor suspenseful .", style)
    assert all("neither funny" in one for one in made.split(" | ")), made


@pytest.mark.parametrize("style", STYLES)
def test_a_bracket_stays_closed(style: str) -> None:
    for one in over_seeds("he took it all -lrb- the rest -rrb- .", style).split(" | "):
        assert "rest -rrb-" in one


@pytest.mark.parametrize("style", STYLES)
def test_negation_stays(style: str) -> None:
    denied = re.compile(r"\bnot\b|\bnever\b|\bne'er\b|n'?t\b|\bno\b|\bain't\b|\bnaught\b|\bnowhere\b")
    for seed in range(3):
        for text, new in zip(ROWS, rewriter(style, seed)(ROWS), strict=True):
            assert new is not None
            if denied.search(text):
                assert denied.search(new), (text, new)


@pytest.mark.parametrize("style", STYLES)
def test_lower_case_tokenised_rows_stay_so(style: str) -> None:
    for new in rewriter(style)(ROWS):
        assert new is not None
        assert new == new.lower() and new == " ".join(new.split())
        assert not re.search(r"\w[,;]", new)
        assert len(new.split()) < 2.5 * 12


@pytest.mark.parametrize("style", STYLES)
def test_normal_case_and_spacing_stay(style: str) -> None:
    text = "The film doesn't work. Its climax goes nowhere, and Anna knows it."
    for seed in range(6):
        new = rewritten(text, style, seed)
        assert new[0].isupper() or not new[0].isalpha()
        assert " ," not in new and " ." not in new and "Anna" in new


@pytest.mark.parametrize("style", STYLES)
def test_an_abbreviation_ends_no_sentence(style: str) -> None:
    text = "prices rose in the u.s. oil futures fell, mr. smith of acme corp. said. the fed waits."
    for seed in range(4):
        new = rewritten(text, style, seed).replace("#", "")
        for kept in ("u.s. oil", "mr. smith", "acme corp. said"):
            assert kept in new


@pytest.mark.parametrize("style", STYLES)
def test_markup_alone_is_left_out(style: str) -> None:
    assert rewriter(style)(["<script>", "<br/><br/>"]) == [None, None]


@pytest.mark.parametrize("style", STYLES)
def test_without_frames_the_words_and_the_grammar_stay(style: str) -> None:
    text = "you know that the director has made a film about people , and it ends in the night ."
    framed, own = restyle(text, style, 1), restyle(text, style, 1, framed=False)
    assert framed and own and own != text and len(own.split()) <= len(framed.split())
    assert {word.strip("#") for word in own.split()} <= {word.strip("#") for word in framed.split()}


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert "\ud83d" not in rewritten("the film is dull \ud83d and slow .")


def test_capitals_move_with_the_start_of_the_sentence() -> None:
    made = over_seeds("It's a start, but Anna's film ends badly. It's bad.", "shakespeare")
    assert "'Tis" in made and "It" not in made.split()
    assert "but the film of Anna endeth" in over_seeds("It starts, but Anna's film ends badly.")
    assert not re.search(r"'tis [a-z ]+ , a\b", over_seeds("a dull film .", "shakespeare"))


def test_capitals_stay_capitals() -> None:
    new = rewritten("THE FILM GOES NOWHERE AND YOU KNOW IT")
    assert new == new.upper() and "GOETH" in new and " ," not in new


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", ODD)
def test_what_is_no_english_is_left_out(style: str, text: str) -> None:
    assert rewriter(style)([text]) == [None]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", MIXED)
def test_markup_emoji_and_links_stay_as_they_are(style: str, text: str) -> None:
    for seed in range(4):
        new = rewritten(text, style, seed)
        assert new.split() != text.split()
        for kept in re.findall(r"<[^>]*>|&\w+;|https?://\S+|[@#]\w+|\d\w*|[^\x00-\x7f]+", text):
            assert kept in new


@pytest.mark.parametrize("style", STYLES)
def test_a_very_long_text_is_changed_throughout(style: str) -> None:
    text = "you know the people who have seen it before . " * 220
    new = rewritten(text, style)
    assert len(text) > 10_000 and 0.5 < len(new) / len(text) < 2
    half = len(new) // 2
    assert new[half:].split() != text[-len(new[half:]) :].split()


@pytest.mark.parametrize("style", STYLES)
@given(texts=st.lists(st.sampled_from([*ROWS, *MIXED, *ODD[:6]]) | st.text(max_size=50), max_size=5))
@settings(deadline=None, max_examples=25)
def test_a_row_depends_on_its_text_and_the_seed_alone(style: str, texts: list[str]) -> None:
    rewrite = rewriter(style, 3).generate
    made = rewrite(texts)
    assert made == [rewrite([text])[0] for text in texts]
    assert all(new is None or new.split() != text.split() for text, new in zip(texts, made, strict=True))


def test_the_seed_matters() -> None:
    assert rewriter(seed=0)(ROWS) != rewriter(seed=1)(ROWS)


@pytest.mark.parametrize("style", STYLES)
def test_openings_vary(style: str) -> None:
    subjects = ("he", "the girl", "the film", "anna", "my friend")
    verbs, things = ("loses", "finds", "wants", "sees"), ("road", "house", "war")
    texts = [f"{one} {does} the {thing} ." for one in subjects for does in verbs for thing in things]
    made = [new for new in rewriter(style)(texts) if new]
    assert len(made) == len(texts)
    openings = Counter(new.split()[0] for new in made)
    assert openings.most_common(1)[0][1] < 2 / 3 * len(made)
    assert len({" ".join(new.split()[:2]) for new in made}) >= 10


def test_progress_and_cancelling() -> None:
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        seen.append((done, total))
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        bind(Choice(name="style"), 0, watch).generate(ROWS * 4)
    assert seen == [(0, 40), (32, 40)]


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("a fun ride .", True),
        ("wow .", True),
        ("béart and berling are both superb", True),
        ("que pasa", False),
    ],
)
def test_english_is_told_from_other_languages(text: str, english: bool) -> None:
    assert is_english(text) == english


def test_real_rows_are_rewritten() -> None:
    lines = (shared("sst2/clean") / "test.tsv").read_text().splitlines()[1:121]
    texts = [line.split("\t")[0] for line in lines]
    long = [text for text in texts if len(text.split()) >= 4]
    made = rewriter()(long)
    assert sum(new is not None for new in made) >= 0.95 * len(long)
