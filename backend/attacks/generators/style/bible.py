"""Bible style: the King James Version's grammar and its connectives, on the text's own words.

Words that carry the sentiment are left alone; “not” and “never” stay."""

import random

from backend.attacks.generators.style import archaic
from backend.attacks.generators.style.frames import (
    CONJUNCTIONS,
    Kind,
    begin,
    close,
    kind_of,
    open_with,
    share_of_changed,
    stands_alone,
    subject_for,
)
from backend.attacks.generators.style.lexicon import agree, article_for, bag, gradable, swap, swap_verbs
from backend.attacks.generators.style.words import Prose, Word

VERBS = {
    "show": "shew", "watch": "behold", "ask": "enquire", "kill": "slay", "talk": "speak", "hit": "smite",
    "tell": "declare", "think": "suppose", "understand": "perceive", "create": "fashion",
    "deliver": "yield",
    "start": "begin", "explain": "declare", "want": "desire", "need": "require",
}  # fmt: skip
WORDS = {
    "to/IN": "unto", "on/IN": "upon", "about/IN": "concerning|touching", "between": "betwixt",
    "around": "round about", "near": "nigh unto", "among": "amongst", "from": "from|from out of",
    "like/IN": "like unto", "until": "till", "despite": "notwithstanding", "into": "unto",
    "throughout": "throughout all", "before/IN": "before|ere", "instead of": "in the stead of",
    "because of": "by reason of", "because": "because|forasmuch as", "if": "if|if so be that",
    "although": "albeit|though", "while": "whilst|while", "when": "when|when|in the day that",
    "whenever": "whensoever", "whatever": "whatsoever", "wherever": "wheresoever", "whoever": "whosoever",
    "however": "howbeit", "as well as": "and also", "perhaps": "peradventure", "maybe": "peradventure",
    "really": "verily", "actually": "verily", "certainly": "surely", "definitely": "surely",
    "truly": "verily", "very/RB": "exceeding", "extremely": "exceeding", "incredibly": "exceeding",
    "almost": "well nigh", "nearly": "well nigh", "often": "oftentimes", "also": "also|likewise",
    "here/RB": "in this place|here", "completely": "altogether", "totally": "altogether",
    "entirely": "altogether", "still": "yet|still", "again": "again|yet again", "that/WD": "which",
    "ever": "at any time|ever", "everything": "all things", "anything": "any thing",
    "something": "a certain thing|some thing", "everyone": "every man|all men",
    "everybody": "every man|all men", "someone": "a certain man", "somebody": "a certain man",
    "anyone": "any man", "anybody": "any man", "nobody": "no man", "no one": "no man",
    "people": "men|the people", "kids": "little ones|children", "kid": "child", "guys": "men",
    "guy": "man", "boy": "lad", "girl": "damsel", "friends": "brethren", "audience": "multitude",
    "audiences": "multitudes", "viewers": "beholders", "viewer": "beholder", "money/NN": "silver",
    "story": "tale", "stories": "tales", "kind of": "manner of", "sort of": "manner of",
    "kinds of": "manner of", "bunch of": "company of", "a lot of": "much", "lots of": "much",
    "plenty of": "abundance of", "many/JJ": "many|a multitude of", "too many": "too many",
    "so many": "so many", "many of": "many of", "as many": "as many", "how many": "how many",
    "or something": "or something", "the many": "the many", "several": "divers", "various": "divers",
    "dozens of": "a multitude of", "each": "every|each", "big/JJ": "mighty|big", "country": "land",
    "world": "earth|world", "will/MD": "shall", "can not": "cannot", "can/MD": "may", "spoke": "spake",
    "broke": "brake", "stuff": "things", "piece of": "portion of", "part of": "portion of",
    "work/NN": "handiwork|work", "enough/JJ": "sufficient", "war/NN": "battle", "oh": "o",
    "time/NN": "season|time", "time of year": "season", "such as": "even as", "as if": "even as if",
    "soon": "speedily", "now/RB": "now|at this time", "even/RB": "yea , even|even",
}  # fmt: skip
OPENINGS = bag(
    "and|for|now|behold ,|verily ,|yea ,|lo ,|and behold ,|and lo ,|wherefore|therefore|moreover ,"
    "|and it came to pass that|for verily|yea , verily ,|now behold ,|for lo ,|know ye that|and thus"
    "|and verily|and moreover|so it was that|and it was so that|it is said that|then"
    "|then lo ,|howbeit|and again ,|yea , and|and yea ,"
)
FRAGMENT_OPENINGS = bag(
    "behold ,|lo ,|yea ,|verily ,|yea , verily ,|and behold ,|and lo ,|moreover ,|for lo ,|now behold ,"
    "|and yea ,|then lo ,|and again ,|and yea , verily ,|therefore"
)
INNER = bag("behold ,|lo ,|verily ,|yea ,|moreover")
CLOSINGS = bag(
    ", as it is written|, and it was so|in the sight of men|, according to the manner thereof"
    "|, even unto the end thereof|, and so it is|, from the beginning thereof|, after the manner of men"
    "|, yea , verily|, and so it came to pass|, even as it is|, and it is so even unto this day"
    "|, as it was from the beginning"
)
IT_IS = {
    "noun": bag("it is|this is|it is even"),
    "nouns": bag("these are|they are|these same are"),
    "quality": bag("it is|it is even|this thing is"),
}


def restyle(prose: Prose, draw: random.Random) -> None:
    """Every sentence in the manner of the King James Bible."""
    plural = draw.random() < 0.35
    for number, sentence in enumerate(prose.sentences):
        kind = kind_of(sentence)
        starts_with = sentence[0].lower
        archaic.spell_out(sentence)
        archaic.negate_plainly(sentence, draw, 0.8)
        swap_verbs(sentence, VERBS, draw)
        archaic.address(sentence, plural=plural)
        archaic.third_person(sentence, draw, ending=1.0)
        archaic.possessive_of(sentence, draw, 1.0)
        archaic.thereof(sentence, draw, 1.0)
        archaic.free_relatives(sentence, draw, 1.0)
        archaic.relatives(sentence, draw, ("which", "that"))
        swap(sentence, WORDS, draw)
        link(sentence, draw)
        postpone(sentence, draw, 1.0)
        _frame(sentence, kind, starts_with, number, prose, draw)
        agree(sentence, mine=True)


def _frame(
    sentence: list[Word], kind: Kind, starts_with: str, number: int, prose: Prose, draw: random.Random
) -> None:
    subject = subject_for(kind, sentence, draw, IT_IS)
    if subject:
        begin(sentence, subject, prose)
    if not stands_alone(prose, number):
        return
    if number == 0 or draw.random() < 0.5:
        openings = FRAGMENT_OPENINGS if kind == "other" else OPENINGS
        openings = INNER if sentence[0].lower in CONJUNCTIONS else openings
        open_with(sentence, draw.choice(openings), prose)
    # The less of the sentence itself could change, the more its frame has to say.
    if draw.random() < 0.95 - 3.5 * share_of_changed(sentence):
        close(sentence, draw.choice(CLOSINGS), prose)


def postpone(sentence: list[Word], draw: random.Random, rate: float) -> None:
    """“a riveting documentary .” → “a documentary which is riveting .”, where a pause or “of” follows."""
    for article, quality, noun in list(zip(sentence, sentence[1:], sentence[2:], strict=False)):
        simple = article.lower in ("a", "an") and quality.tag == "JJ" and quality.head is noun
        if not simple or noun.tag != "NN" or not gradable(quality.lower) or draw.random() >= rate:
            continue
        at = sentence.index(quality)
        after = sentence[at + 2] if at + 2 < len(sentence) else None
        if after is None or after.text in (".", ",", "!", ";", "..."):
            article.become(article_for(noun.text))
            noun.before = quality.before = " "
            sentence[at : at + 2] = [noun, Word("which is"), quality]


def link(sentence: list[Word], draw: random.Random) -> None:
    """“methodical , measured , and …” → “methodical , and measured , and …”."""
    for at in range(len(sentence) - 1, 0, -1):
        mark, after = sentence[at - 1], sentence[at]
        if mark.text == "," and after.dep == "conj" and after.tag.startswith(("JJ", "NN")):
            sentence.insert(
                at, Word(draw.choice(("and", "yea , and") if after.tag[:2] == "JJ" else ("and",)))
            )
