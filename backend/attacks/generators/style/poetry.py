"""Poetry, romantic: elisions, inverted adjectives, a hush of nature around the sentence.

Simpler than the Bible and Shakespeare: words and frames, with their grammar of thou and -eth."""

import random

from backend.attacks.generators.style import archaic
from backend.attacks.generators.style.frames import (
    begin,
    close,
    kind_of,
    open_with,
    stands_alone,
    subject_for,
)
from backend.attacks.generators.style.lexicon import agree, article_for, bag, gradable, swap
from backend.attacks.generators.style.words import Prose, Word

WORDS = {
    "over/IN": "o'er", "ever": "e'er", "even": "e'en", "before/IN": "ere", "between": "'twixt",
    "among": "amid", "under": "'neath", "beneath": "'neath", "against": "'gainst", "through": "thro'",
    "though": "tho'", "although": "tho'", "it is": "'tis", "it was": "'twas", "often": "oft",
    "while/IN": "whilst", "until": "till", "on/IN": "upon", "in/IN": "in|within", "because": "for",
    "very/RB": "most", "really": "truly", "morning": "morn", "evening": "eve", "perhaps": "perchance",
    "maybe": "perchance", "once again": "once more", "again": "once more", "nothing": "naught",
    "anything": "aught", "people": "souls", "everyone": "every soul", "someone": "some soul",
    "anyone": "any soul", "nobody": "no soul", "no one": "no soul", "kids": "babes", "girl": "maiden",
    "woman": "maiden|woman", "movie": "vision|dream-play", "film": "vision|dream-play",
    "movies": "visions", "films": "visions", "story": "tale", "stories": "tales", "picture/NN": "vision",
    "here/RB": "here below", "oh": "o", "like/IN": "like unto|like", "the world": "the wide world",
    "about/IN": "of", "around": "round", "of the": "of the|o' the", "a lot of": "many a",
    "time/NN": "hour|time", "home/NN": "hearth", "years": "winters", "beautiful": "beauteous",
    "water": "wave", "sea": "deep", "sleep/NN": "slumber", "child": "babe",
}  # fmt: skip
OPENINGS = bag(
    "o ,|ah ,|lo ,|behold :|o muse ,|hark ,|and lo ,|o gentle heart ,|beneath the moon ,|at dusk ,"
    "|at break of day ,|in twilight ,|as evening falls ,|o wanderer ,|ere dawn ,|once more ,|still ,"
    "|upon the hour ,|by candlelight ,|in silence ,|o reader ,|beside the stream ,"
    "|as shadows lengthen ,|beyond the hills ,|i dreamed :|i sing :"
)
CLOSINGS = bag(
    "beneath the moon|as shadows fall|at close of day|'neath the sky|upon the wind|in the twilight"
    "|by the stream|as the hours pass|among the leaves|at break of morn|beneath the stars"
    "|in the hush of eve|, o muse|, o wanderer|while the waters flow|as seasons turn|, as in a dream"
    "|under the boughs|, o gentle heart"
)
IT_IS = {"noun": bag("'tis|here is"), "nouns": bag("these are"), "quality": bag("'tis|so it is :")}


def restyle(prose: Prose, draw: random.Random) -> None:
    """Every sentence as a line of verse."""
    for number, sentence in enumerate(prose.sentences):
        kind = kind_of(sentence)
        archaic.spell_out(sentence)
        archaic.address(sentence)
        archaic.third_person(sentence, draw, ending=0.2, helper=0.2)
        swap(sentence, WORDS, draw)
        _invert(sentence, draw)
        subject = subject_for(kind, sentence, draw, IT_IS)
        if subject:
            begin(sentence, subject, prose)
        if stands_alone(prose, number):
            opened = draw.random() < 0.6
            if opened:
                open_with(sentence, draw.choice(OPENINGS), prose)
            if not opened or draw.random() < 0.25:
                close(sentence, draw.choice(CLOSINGS), prose)
        agree(sentence, mine=True)


def _invert(sentence: list[Word], draw: random.Random) -> None:
    """“a sombre tale .” → “a tale sombre .”, where a pause follows."""
    for article, quality, noun, after in list(
        zip(sentence, sentence[1:], sentence[2:], sentence[3:], strict=False)
    ):
        simple = (
            article.tag == "DT" and quality.tag == "JJ" and quality.head is noun and gradable(quality.lower)
        )
        if simple and noun.tag == "NN" and after.text in (".", ",", "!", ";", "...") and draw.random() < 0.7:
            at = sentence.index(quality)
            quality.before = noun.before = " "
            sentence[at : at + 2] = [noun, quality]
            if article.lower in ("a", "an"):
                article.become(article_for(noun.text))
