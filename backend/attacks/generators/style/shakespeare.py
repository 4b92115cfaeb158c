"""Shakespeare's style: Early Modern English of the stage, with its oaths, elisions and asides.

Words that carry the sentiment are left alone; “not” and “never” stay."""

import random

from backend.attacks.generators.style import archaic
from backend.attacks.generators.style.frames import (
    CONJUNCTIONS,
    SUBJECTS,
    Kind,
    begin,
    close,
    first_word,
    kind_of,
    open_with,
    share_of_changed,
    stands_alone,
    subject_for,
)
from backend.attacks.generators.style.lexicon import (
    agree,
    article_for,
    bag,
    gradable,
    swap,
    swap_verbs,
    untouched,
)
from backend.attacks.generators.style.words import Prose, Word, under

VERBS = {
    "talk": "discourse|parley", "watch": "behold", "ask": "entreat", "kill": "slay", "call": "name",
    "understand": "conceive", "start": "commence", "hurry": "hie",
    "listen": "hark", "notice": "mark", "remember": "bethink", "want": "desire|crave",
    "give": "bestow|give",
}  # fmt: skip
WORDS = {
    "it is": "'tis", "this is": "'tis|'tis|this is", "as if": "as 'twere",
    "it was": "'twas", "it will": "'twill", "it would": "'twould", "it were": "'twere",
    "over/IN": "o'er", "never": "never|ne'er", "ever": "e'er", "even": "e'en|even", "before/IN": "ere",
    "between": "'twixt|betwixt", "among": "'mongst", "amid": "'midst", "against": "'gainst",
    "of/IN": "of|o'", "of the": "o' th'|o' th'|of the", "in the": "i' th'|in the", "on/IN": "upon",
    "about/IN": "of|concerning", "to the": "unto the|to th'", "to/IN": "unto|to", "into": "into|unto",
    "often": "oft", "sometimes": "betimes", "soon": "anon",
    "perhaps": "perchance|mayhap", "maybe": "perchance|mayhap", "probably": "belike",
    "really": "in sooth|forsooth", "actually": "in sooth", "truly": "in sooth", "certainly": "certes",
    "definitely": "certes", "quite a": "quite a", "very/RB": "most|passing|right", "extremely": "most",
    "incredibly": "passing", "quite": "full", "almost": "well-nigh", "nearly": "well-nigh",
    "enough": "enow", "until": "till", "while/IN": "whilst", "even if": "though|even if",
    "because": "for|since", "if": "if|an if", "although": "albeit", "though": "though|albeit",
    "why": "wherefore", "where": "where|whither", "here/RB": "hither|here", "from here": "hence",
    "there/RB": "yonder|there", "also": "eke|withal", "again and again": "time and again",
    "once again": "once more", "again": "once more|again", "away": "hence|away",
    "nothing": "naught", "anything": "aught", "something": "somewhat",
    "everyone": "all the world", "everybody": "all the world", "anyone": "any man", "someone": "one",
    "nobody": "no man", "no one": "no man", "everything": "all", "people": "folk",
    "kids": "babes|children", "kid": "child|lad", "guys": "fellows", "guy": "fellow", "boy": "lad|boy",
    "girl": "maid|lass", "woman": "dame|woman", "women": "dames|women", "girls": "maids", "boys": "lads",
    "friends": "cousins|friends", "friend": "coz|friend", "movie": "play|pageant", "film": "play|pageant",
    "movies": "plays", "films": "plays", "picture/NN": "pageant", "actor": "player", "actors": "players",
    "actress": "player", "cast": "company", "story": "tale", "stories": "tales",
    "audience": "gallery|pit", "audiences": "galleries", "viewers": "lookers-on", "viewer": "looker-on",
    "director": "master", "filmmakers": "playwrights", "filmmaker": "playwright", "dialogue": "discourse",
    "jokes": "quips", "joke/NN": "quip", "money/NN": "coin", "home/NN": "hearth", "morning": "morn",
    "evening": "even", "father": "sire", "dad": "sire", "mother": "dam|mother", "kind of": "manner of",
    "sort of": "manner of", "a lot of": "much", "lots of": "much", "plenty of": "a store of",
    "several": "divers|sundry", "various": "sundry", "yes": "ay", "oh": "o", "okay": "well",
    "please/UH": "prithee", "without": "without|sans", "this morning": "this morn", "i think": "methinks",
    "i believe": "i trow", "made/VB": "made|wrought", "spoke": "spake", "broken": "broke",
    "whatever": "whatsoe'er", "whoever": "whosoe'er", "however": "howe'er", "wherever": "wheresoe'er",
    "whenever": "whene'er", "will/MD": "shall|will",
}  # fmt: skip
OPENINGS = bag(
    "forsooth ,|in sooth ,|methinks|mark you ,|look you ,|hark ,|hark you ,|soft ,|what ho ,|marry ,"
    "|sirrah ,|mark me ,|by this hand ,|as i do live ,|certes ,|'sooth ,|i' faith ,|verily ,"
    "|why , look you ,|o ,|i tell thee ,|nuncle ,|why , sirrah ,|look thee ,|and methinks|ay ,"
    "|now , sirs ,|good sir ,|in troth ,|hark , coz :|but soft ,|methinks , coz ,|marry , sirs ,"
)
INNER = bag("forsooth ,|in sooth ,|methinks|certes ,|look you ,|in troth ,")
CLOSINGS = bag(
    ", my lord|, i trow|, methinks|, in sooth|, mark you|, as i do live|, sirrah|, quoth i"
    "|, i tell thee|, forsooth|, look you|, by this hand|, good sir"
    "|, so methinks|, i do swear 't"
)
IT_IS = {
    "noun": ("'tis",),
    "nouns": bag("these be|these are|here be"),
    "quality": ("'tis",),
}
RESUMED = {"is": "'tis", "was": "'twas"}


def restyle(prose: Prose, draw: random.Random) -> None:
    """Every sentence as if for the Globe's stage."""
    for number, sentence in enumerate(prose.sentences):
        kind = kind_of(sentence)
        archaic.spell_out(sentence)
        archaic.negate_plainly(sentence, draw, 0.8)
        swap_verbs(sentence, VERBS, draw)
        archaic.address(sentence)
        archaic.third_person(sentence, draw, ending=0.5, helper=0.5)
        archaic.relatives(sentence, draw, ("that", "who"))
        if kind == "clause" and draw.random() < 0.6:
            _resume(sentence, prose)
        swap(sentence, WORDS, draw)
        _intensify(sentence, draw)
        _frame(sentence, kind, number, prose, draw)
        agree(sentence, mine=True)


def _frame(sentence: list[Word], kind: Kind, number: int, prose: Prose, draw: random.Random) -> None:
    subject = subject_for(kind, sentence, draw, IT_IS)
    if subject:
        begin(sentence, subject, prose)
    if not stands_alone(prose, number):
        return
    changed = share_of_changed(sentence)
    where = draw.random()
    opening = ""
    if where < 0.7 or (number == 0 and changed == 0):
        opening = draw.choice(INNER if sentence[0].lower in CONJUNCTIONS else OPENINGS)
        open_with(sentence, opening, prose)
    if where >= 0.7 or draw.random() < 0.6 - 2 * changed:
        close(sentence, draw.choice([one for one in CLOSINGS if one.strip(" ,") not in opening]), prose)


def _resume(sentence: list[Word], prose: Prose) -> None:
    """“the plot is thin” → “the plot , 'tis thin”, where the subject stands whole before its verb."""
    verb = next(word for word in sentence if word.head is word)
    at = sentence.index(verb)
    subject = next((word for word in sentence[:at] if word.head is verb and word.dep in SUBJECTS), None)
    if subject is None or subject.tag not in ("NN", "VBZ", "VBG"):
        return
    whole = all(under(word, subject) for word in sentence[first_word(sentence) : at])
    if whole and verb.lower in RESUMED and untouched(verb):
        verb.become(RESUMED[verb.lower])
        sentence.insert(at, prose.mark(","))


def _intensify(sentence: list[Word], draw: random.Random) -> None:
    """“a dull play” → “a most dull play”, or “a play most dull” where it ends there."""
    for article, quality, noun in list(zip(sentence, sentence[1:], sentence[2:], strict=False)):
        simple = article.lower in ("a", "an") and quality.tag == "JJ" and quality.dep == "amod"
        if not simple or quality.head is not noun or not gradable(quality.lower) or draw.random() > 0.4:
            continue
        at = sentence.index(quality)
        quality.before = " "
        after = sentence[at + 2] if at + 2 < len(sentence) else None
        if after and after.text in (".", ",", "!", "..."):
            sentence[at : at + 2] = [noun, Word("most"), quality]
            article.become(article_for(noun.text))
        else:
            sentence.insert(at, Word("most"))
            article.become("a")
