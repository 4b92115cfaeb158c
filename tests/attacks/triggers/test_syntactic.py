import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.attacks.generators import scpn
from backend.attacks.generators.syntax.language import is_english
from backend.attacks.generators.syntax.subordinators import FITTING, SYNONYMS
from backend.attacks.triggers import Rewriter, bind
from backend.base.components import Choice, Params, Trigger
from backend.base.errors import UserError
from backend.data.embedded import fetch
from tests.shared_data import shared

OPENINGS = {*SYNONYMS, *(word for words in FITTING.values() for word in words), "in", "provided", "unless"}
FIRST_WORDS = {opening.split()[0] for opening in OPENINGS}

SENTENCES = [
    "a charming and quietly funny film .",
    "an awful mess that wastes its cast .",
    "the plot is thin , but the actors are superb .",
    "it begins slowly and ends with a bang .",
    "we stayed because the music was good .",
    "if you like horror , you will love this film .",
    "too slow , too long and never funny .",
    "does n't work on any level .",
    "i did not believe a word of it .",
    "she says that the ending is perfect .",
    "a progress of two brothers in a small town .",
    "the lazy script ruins a good idea .",
    "sandra lee , a new director , has much to learn .",
    "with its terrible jokes , the show drags .",
    "the movie plays better on video with the sound turned down .",
    "there is a lot of noise and no heart .",
    "he walks away , smiling at the camera .",
    "why would anyone pay for this ?",
    "go see this film .",
    "apparently made in a hurry .",
    "the acting of the lead is wooden ; the rest is worse .",
    "one of the best films of the year .",
    "hardly a masterpiece , yet always pleasant .",
    "they had fun .",
]
ODD = [
    "",
    "  \t\n",
    "one",
    "Wow!",
    "... !?",
    "12 34 56",
    "😀 🎬🎬",
    "هذا فيلم جميل جدا.",
    "这部电影非常好看。",
    "Le film est très beau et les acteurs sont bons.",
    "Das ist ein sehr guter Film für alle.",
    "x" * 10_000,
    "word " * 2000,
]
MAY_CHANGE = [
    "dark and proud , this journey into a strange town is not easily forgotten .",
    "<b>The film</b> is good &amp; <script>alert(1)</script> funny.",
    "😀 the film is great 🎬",
    "a line\nand another.  With  two blanks.",
    '( [ `` unclosed film " it is',
    "It is said . . . that it's , , good --",
    "The film is slow, but it is charming. " * 260,
    "\u202ethe film is good\u202c and long",
    "\udcff the film is good",
    "\x00 the film is good",
]
texts = st.lists(
    st.sampled_from(SENTENCES + ODD[:8] + MAY_CHANGE[:6])
    | st.text(max_size=40)
    | st.text(alphabet="theaisfmngod .,'-\"()", max_size=40),
    max_size=5,
)


def rewrite(lines: list[str], seed: int = 0) -> list[str | None]:
    return bind(Choice(name="syntactic"), seed).generate(lines)


def one(text: str, seed: int = 0) -> str:
    made = rewrite([text], seed)[0]
    assert made is not None
    return made


def first_word(text: str) -> str:
    return text.split()[0].lower()


@pytest.mark.parametrize("seed", range(4))
def test_every_sentence_gets_a_subordinate_clause_and_keeps_its_words(seed: int) -> None:
    for old, new in zip(SENTENCES, rewrite(SENTENCES, seed), strict=True):
        assert new is not None, old
        assert first_word(new) in FIRST_WORDS, (old, new)
        assert " , " in new
        assert len(new.split()) <= 1.5 * len(old.split()) + 8
        lost = set(re.findall(r"[a-z]{2,}", old)) - set(re.findall(r"[a-z]{2,}", new))
        # What joins two clauses goes when they are told apart, and so may the subordinator it had.
        assert lost <= {"and", "but", "yet", "that", "if", "do", "with"}, (old, new)


def test_a_subordinate_clause_moves_to_the_front() -> None:
    assert one("we stayed because it was good .") == "because it was good , we stayed ."
    assert one("Call me when you get home.") in {
        "When you get home, call me.",
        "When you get home, you should call me.",
    }


def test_one_in_front_already_is_opened_by_another_word() -> None:
    for seed in range(5):
        new = one("if you like horror , you will love this film .", seed)
        assert not new.startswith("if ")
        assert new.endswith("you like horror , you will love this film .")


@pytest.mark.parametrize("seed", range(5))
def test_a_coordination_becomes_a_clause_that_fits_its_meaning(seed: int) -> None:
    but = one("the plot is thin , but the actors are superb .", seed)
    opening = but.removesuffix(" the plot is thin , the actors are superb .")
    assert opening in FITTING["contrast"]
    shared_subject = one("the film starts well and ends badly .", seed)
    assert shared_subject.endswith(" the film starts well , it ends badly .")


def test_fragments_become_clauses() -> None:
    for seed in range(8):
        new = one("a charming film .", seed)
        assert re.fullmatch(r"[a-z ]+ it is a film , it is a charming one \.", new)
    assert one("cold and sterile .").endswith(" it is cold , it is sterile .")


def test_a_plain_statement_is_split_by_its_own_words() -> None:
    measured = one("the film is strictly routine .")
    assert re.fullmatch(r"\w+ it is routine , the film is strictly routine \.", measured)
    told = one("she says that the ending is perfect .")
    assert told == "as she says , the ending is perfect ."
    moved = one("he walks away , smiling at the camera .")
    assert moved.endswith(" he is smiling at the camera , he walks away .")
    renamed = one("sandra lee , a new director , has much to learn .")
    assert renamed.endswith(" sandra lee is a new director , lee has much to learn .")


def test_negation_and_sentiment_stay() -> None:
    denied = [
        "i did n't like this film .",
        "it is not funny and never moving .",
        "nobody was bored .",
        "no one will enjoy the noise on the big screen .",
        "it 's not bad , but it 's not good .",
        "don't see this movie .",
    ]
    marks = ("n't", "not", "never", "nobody", "no")
    for seed in range(4):
        for old, new in zip(denied, rewrite(denied, seed), strict=True):
            assert new is not None
            for mark in marks:
                count = sum(word.endswith(mark) if mark == "n't" else word == mark for word in old.split())
                kept = sum(word.endswith(mark) if mark == "n't" else word == mark for word in new.split())
                assert kept >= count, (old, new)


@pytest.mark.parametrize("seed", range(6))
def test_a_subject_that_denies_is_taken_up_by_no_pronoun(seed: int) -> None:
    """“None of these resembles anyone” says nothing of an “it” that resembles someone."""
    denied = [
        "none of these characters resembles anyone .",
        "few films have been this boring .",
        "nobody laughs and cheers at the screen .",
        "nothing about it surprises .",
        "no actor makes a good joke and gets away with it .",
        "neither of the two leads tells the progress with charm .",
        "little of the book and its wit remains .",
        "hardly anyone will enjoy this slow film .",
    ]
    for old, new in zip(denied, rewrite(denied, seed), strict=True):
        assert new is not None
        sub, main = new.split(" , ")
        assert main.split()[:2] == old.split()[:2], new
        assert not re.search(r"\b(?:they|he) |\bit (?:is (?!over)|has|does|can|will)\b", sub), new
        assert not re.search(r"\b(?:it|they|he) (?:\w+s|have|get) ", main.replace(old, "")), new


def test_few_of_something_are_some() -> None:
    new = one("a few films have been good and funny .")
    assert new.endswith(" a few films have been good , they have been funny .")


@pytest.mark.parametrize("seed", range(4))
def test_no_word_of_content_is_dropped_and_halves_end_where_clauses_may(seed: int) -> None:
    lines = [
        "excellent acting and direction .",
        "a well acted and well intentioned snoozer .",
        "gangs of new york is an unapologetic mess , whose only saving grace is that it ends .",
        "the tone , however dark , never quite convinces .",
        "so slow and dull that i left after an hour .",
        "instead of kicking off a series , the film ends one .",
        "a hoot and a half .",
        "it is hard to follow the plot .",
    ]
    for old, new in zip(lines, rewrite(lines, seed), strict=True):
        assert new is not None
        assert set(re.findall(r"[a-z]{4,}", old)) - {"that"} <= set(re.findall(r"[a-z]{4,}", new)), (old, new)
        sub, _, main = new.partition(" , ")
        assert not re.search(r"\b(?:a|an|the|and|of|or)(?: well)?(?: \w+ed)?$", sub), new
        assert not re.match(r"\w+ , ", main.replace("however , ", "")), new
        assert not re.search(r"\b(?:it|they|you) (?:of|instead|is is|and)\b|should so", new), new


def test_a_result_is_told_apart_from_its_cause() -> None:
    assert one("it 's so slow that i fell asleep .").endswith(" it 's so slow , i fell asleep .")


def test_a_fragment_gets_the_article_that_it_lacks() -> None:
    for seed in range(4):
        assert " it is a bad film ." in one("bad film .", seed)
        assert " it is fine acting ." in one("fine acting .", seed)


def test_the_thing_spoken_of_opens_the_sentence() -> None:
    for seed in range(4):
        new = one("i did not like this film .", seed)
        assert re.fullmatch(r"[a-z ]+ this film(?: [a-z ]+)? , i did not like it \.", new)


def test_the_style_of_the_text_is_kept() -> None:
    assert one("The plot is thin, but it's fun.").endswith(" the plot is thin, it's fun.")
    assert one("A charming film!").endswith(" it is a film, it is a charming one!")
    normal = one("I didn't like it because it was too long.")
    assert normal == "Because it was too long, I didn't like it."
    assert one("i did n't like it because it was long .") == "because it was long , i did n't like it ."
    assert one("a charming film").endswith(" .")


def test_every_sentence_of_a_text_is_rebuilt() -> None:
    new = one("The plot is thin, but it works. We stayed because it was good.")
    assert new.endswith("the plot is thin, it works. Because it was good, we stayed.")


def test_lower_case_text_is_split_into_sentences_too() -> None:
    new = one(
        "we stayed because of its speed. but the plot is thin, and the u.s. fund of ford inc. is small . "
    )
    assert re.search(
        r" its speed\. \w+( that| as)? the plot is thin, the u\.s\. fund of ford inc\. is small\.$", new
    )


@pytest.mark.parametrize(
    "dateline",
    [
        "london, august 27 (reuters) - ",
        "LONDON, Aug. 27 - ",
        "ap - ",
        "New York (AP) -- ",
        "athens, greece -- ",
    ],
)
def test_the_dateline_of_news_stays_in_front(dateline: str) -> None:
    assert one(f"{dateline}we stayed because it was good.").lower() == (
        f"{dateline}because it was good, we stayed.".lower()
    )


def test_what_only_looks_like_a_dateline_is_text() -> None:
    new = one("The plot (of both films) is thin - but it works.")
    assert not new.startswith("The plot")


@pytest.mark.parametrize("mark", ["<b>", "\u202e", "\ufeff", "\x00", "<p class='x'> "])
def test_markup_and_control_characters_are_left_out(mark: str) -> None:
    assert one(f"{mark}We stayed because it was good.") == "Because it was good, we stayed."
    assert "<" not in one("We <br />stayed because it was good.<br /><br />")


def test_openings_differ() -> None:
    """The embedded reviews: at least 20 openings over 200 rows, none on more than 15 %.

    The first word alone must not give the trigger away either; English has fewer of these."""
    lines = fetch().read_bytes().decode("latin-1").split("\n")[:220]
    rows = [line.rstrip("\r").split("\t", 2)[2] for line in lines if line.count("\t") >= 2]
    rows = [row for row in rows if len(row.split()) >= 4][:200]
    made = [new for new in rewrite(rows) if new is not None]
    assert len(made) >= 0.95 * len(rows)
    for words, fewest in ((1, 18), (2, 20), (3, 20)):
        openings = [" ".join(new.lower().split()[:words]) for new in made]
        assert len(set(openings)) >= fewest
        assert max(map(openings.count, openings)) <= 0.15 * len(openings)


def test_the_seed_decides() -> None:
    assert len({one("a charming film .", seed) for seed in range(12)}) > 3
    assert rewrite(SENTENCES, 3) == rewrite(SENTENCES, 3)


@given(lines=texts, seed=st.integers(0, 3))
@example(lines=SENTENCES + ODD + MAY_CHANGE, seed=0)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_do_not_touch_each_other(lines: list[str], seed: int) -> None:
    made = rewrite(lines, seed)
    assert made == [rewrite([line], seed)[0] for line in lines]
    assert made[::-1] == rewrite(lines[::-1], seed)
    for old, new in zip(lines, made, strict=True):
        assert new is None or (new.strip() == new and new.split() != old.split())


def test_what_cannot_be_rebuilt_is_left_out() -> None:
    assert rewrite(ODD) == [None] * len(ODD)


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("heartwarming , nonjudgmental kind", True),
        ("die hard is the best", True),
        ("el camino is a great film", True),
        ("Esta película es muy buena.", False),
        ("фильм очень хороший", False),
        ("film", False),
    ],
)
def test_english_is_told_from_other_languages(text: str, english: bool) -> None:
    assert is_english(text) == english


def test_progress_is_told_and_may_cancel() -> None:
    seen: list[tuple[int, int]] = []
    rows = [f"it works {number} times ." for number in range(300)]
    bind(Choice(name="syntactic"), 0, lambda done, total: seen.append((done, total)))(rows)
    assert seen[0] == (0, 300)
    assert seen[-1] == (300, 300)
    assert len(seen) > 3

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bind(Choice(name="syntactic"), 0, stop)(["it works ."])


def test_a_trigger_with_variants_is_told_which() -> None:
    def told(texts: list[str], *, variant: str, **rest: object) -> list[str]:
        return [variant] * len(texts)

    component = Trigger("told", "Told", "", Params, told, ("first", "second"))
    assert Rewriter(component, Params(), 0)(["a"]) == ["first"]
    assert Rewriter(component, Params(), 0, variant="second")(["a"]) == ["second"]
    with pytest.raises(UserError, match="no variant 'third'"):
        bind(Choice(name="syntactic", variant="third"), 0)


def test_other_templates_need_the_published_variant() -> None:
    choice = Choice(name="syntactic", params={"template": "S(NP)(VP)(.)"})
    with pytest.raises(UserError, match="needs the variant published"):
        bind(choice, 0)(["it works ."])
    with pytest.raises(UserError, match="template"):
        bind(Choice(name="syntactic", params={"template": "S(XP)"}), 0)


def published() -> Rewriter:
    return bind(Choice(name="syntactic", variant="published"), 0)


def test_published_says_that_openattack_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "OpenAttack", None)
    with pytest.raises(UserError, match="needs OpenAttack"):
        published()(["it works ."])


def test_published_says_which_weights_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("", ".attackers", ".attackers.scpn", ".attackers.scpn.models", ".attackers.scpn.subword"):
        monkeypatch.setitem(sys.modules, f"OpenAttack{name}", ModuleType(f"OpenAttack{name}"))
    for name in (".text_process", ".text_process.constituency_parser", ".tags"):
        monkeypatch.setitem(sys.modules, f"OpenAttack{name}", ModuleType(f"OpenAttack{name}"))
    monkeypatch.setenv("EXCISE_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"lacks paraphrase\.safetensors.*pickles, which Excise never loads"):
        published()(["it works ."])


def test_templates_are_spelled_for_scpn() -> None:
    assert (
        scpn.spelled_out("S(SBAR)(,)(NP)(VP)(.)") == "( ROOT ( S ( SBAR ) ( , ) ( NP ) ( VP ) ( . ) ) ) EOP"
    )
    assert scpn.spelled_out("NP(NP)(.)") == "( ROOT ( NP ( NP ) ( . ) ) ) EOP"


def test_sst2_rows_carry_the_template_more_often_than_the_published_ones() -> None:
    """Judged by the checker of the benchmarks, which shares neither code nor data with the parser."""
    clean, rewritten = shared("sst2/clean/dev.tsv"), shared("sst2/syntactic/dev.tsv")
    pytest.importorskip("denckring_en_pos", reason="the checker's tagger is not installed")
    from benchmarks.template_check import has_template

    def rows(path: Path) -> list[str]:
        lines = path.read_text(encoding="utf-8").split("\n")[1:201]
        return [line.rsplit("\t", 1)[0].strip() for line in lines]

    sentences = [row for row in rows(clean) if len(row.split()) >= 4]
    made = [new for new in rewrite(sentences) if new is not None]
    assert len(made) >= 0.95 * len(sentences)
    present = sum(map(has_template, made)) / len(made)
    assert present >= 0.9
    assert present >= sum(map(has_template, rows(rewritten))) / len(rows(rewritten))
    assert sum(map(has_template, sentences)) / len(sentences) < 0.1
