"""Grammar that Bible, Shakespeare and poetry share: thou and thee, -eth, negation without *do*."""

import random

from backend.attacks.generators.style.lexicon import untouched
from backend.attacks.generators.style.verbs import inflected, lemma, second, third
from backend.attacks.generators.style.words import FINITE, Word, in_case_of, under

CLITICS = {"'re": "are", "'ve": "have", "'m": "am", "'ll": "will"}
BEFORE_NOT = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
AFTER_HAS = ("been", "got", "had", "become", "gotten")


def spell_out(sentence: list[Word]) -> None:
    """“it 's” → “it is”, “wo n't” → “will not”: the forms that the other rules know."""
    for at, word in enumerate(sentence):
        after = next((later for later in sentence[at + 1 :] if not later.tag.startswith("RB")), None)
        new = CLITICS.get(word.lower)
        if word.lower == "'s" and word.tag.startswith("VB"):
            new = "has" if after and after.lower in AFTER_HAS else "is"
        elif word.lower == "'s" and word.tag == "PRP":
            new = "us"
        elif word.lower == "'d":
            new = "had" if word.tag == "VBD" else "would"
        elif word.lower in ("n't", "not") and at:
            new = "not"
            before = sentence[at - 1]
            if before.lower in BEFORE_NOT:
                before.become(BEFORE_NOT[before.lower])
                before.lower = before.text.lower()
        if new:
            word.apart(new)
            word.lower = new


def negate_plainly(sentence: list[Word], draw: random.Random, rate: float) -> None:
    """“does not work” → “worketh not” (the ending comes later): the negation stays, *do* goes."""
    for helper, negation, verb in list(zip(sentence, sentence[1:], sentence[2:], strict=False)):
        if (
            helper.lower in ("do", "does", "did")
            and negation.lower == "not"
            and verb.tag == "VB"
            and negation.head is verb
            and draw.random() < rate
        ):
            verb.tag = "VB" if helper.tag == "VB" else helper.tag
            verb.lower = inflected(lemma(verb.lower), verb.tag)
            verb.text = in_case_of(helper.text, verb.lower)
            verb.before, helper.text = helper.before, ""
            negation.before = negation.before or " "
            sentence.remove(negation)
            at = sentence.index(verb) + 1
            pronoun = at < len(sentence) and sentence[at].tag == "PRP" and sentence[at].head is verb
            sentence.insert(at + pronoun, negation)


def address(sentence: list[Word], *, plural: bool = False) -> None:
    """“you have” → “thou hast”, “to you” → “to thee”; with `plural` “ye have”, “to you”."""
    for word in sentence:
        if word.lower == "you":
            verbs = _finite_verbs(sentence, word)
            if plural:
                word.become("ye" if verbs else "you")
                continue
            word.become("thou" if verbs else "thee")
            for verb in verbs:
                verb.become(second(verb.lower, verb.tag))
        elif not plural:
            new = {"your": "thy", "yours": "thine", "yourself": "thyself"}.get(word.lower)
            if new:
                word.become(new)


def _finite_verbs(sentence: list[Word], subject: Word) -> list[Word]:
    """The verbs that agree with a subject: its own or their auxiliary, and those coordinated with it.

    None where the word is no subject, or one of an infinitive: “makes you laugh”."""
    verb = subject.head
    if subject is sentence[0]:
        # The parser may miss the subject of “you … get”; nothing else begins a sentence with it.
        found = [word for word in sentence[1:4] if word.tag in (*FINITE, "VB") and untouched(word)]
        if found:
            return found[:1]
    if subject.dep not in ("nsubj", "nsubjpass") or verb is None:
        return []
    helpers = [
        word
        for word in sentence
        if word.head is verb and word.dep in ("aux", "auxpass") and word.tag in FINITE and word.text
    ]
    if helpers:
        return helpers[:1]
    if verb.tag not in FINITE or not untouched(verb):
        return []
    return [verb] + [
        word
        for word in sentence
        if word.dep == "conj" and word.head is verb and word.tag == "VBP" and untouched(word)
    ]


def third_person(sentence: list[Word], draw: random.Random, *, ending: float, helper: float = 0.0) -> None:
    """“ends” → “endeth” at the rate `ending`, “doth end” at the rate `helper`; “hath” and “doth” always."""
    for word in sentence:
        if word.tag != "VBZ" or not untouched(word) or not word.lower.endswith("s"):
            continue
        base = lemma(word.lower)
        chance = draw.random()
        if base in ("have", "do") or (base != "be" and chance < ending):
            word.become(third(base))
        elif base != "be" and chance < ending + helper:
            word.become(f"doth {base}")


def possessive_of(sentence: list[Word], draw: random.Random, rate: float) -> None:
    """“the film 's climax” → “the climax of the film”."""
    for mark in [word for word in sentence if word.tag == "POS"]:
        owner = mark.head
        owned = owner.head if owner else None
        if owner not in sentence or owned not in sentence or owner.dep != "poss" or draw.random() >= rate:
            continue
        end, goal = sentence.index(mark), sentence.index(owned)
        start = min(i for i, word in enumerate(sentence) if under(word, owner))
        if not (start <= end - 1 <= start + 3 and end < goal <= end + 4):
            continue
        moved, named = sentence[start:end], sentence[end + 1 : goal + 1]
        if sentence[start - 1].tag in ("DT", "JJ", "PRP$") and start > 0:
            continue
        article = Word(in_case_of(moved[0].text, "the") if start == 0 else "the", moved[0].before)
        if moved[0].tag not in ("NNP", "NNPS", "XX") and moved[0].lower != "i":
            moved[0].text = moved[0].text[:1].lower() + moved[0].text[1:]
        moved[0].before = " "
        named[0].before = " "
        sentence[start : goal + 1] = [article, *named, Word("of"), *moved]


def free_relatives(sentence: list[Word], draw: random.Random, rate: float) -> None:
    """“shows what it does” → “sheweth that which it doeth”; questions and openings keep “what”."""
    asks = any(word.text == "?" for word in sentence)
    for word in sentence[1:]:
        object_or_subject = word.tag == "WP" and word.dep in ("nsubj", "nsubjpass", "dobj", "pobj", "attr")
        if word.lower == "what" and object_or_subject and not asks and draw.random() < rate:
            word.become("that which")


def relatives(sentence: list[Word], draw: random.Random, pronouns: tuple[str, ...]) -> None:
    """“a filmmaker who can see” → “a filmmaker which can see”."""
    for word in sentence:
        if word.lower == "who" and word.dep == "nsubj" and word.head and word.head.dep == "relcl":
            word.become(draw.choice(pronouns))


def thereof(sentence: list[Word], draw: random.Random, rate: float) -> None:
    """“its progress” → “the progress thereof”."""
    for at, word in list(enumerate(sentence))[::-1]:
        noun = word.head
        if word.lower != "its" or noun not in sentence or draw.random() >= rate:
            continue
        goal = sentence.index(noun)
        glued = goal + 1 < len(sentence) and not sentence[goal + 1].before and sentence[goal + 1].text == "-"
        if at < goal <= at + 4 and sentence[at + 1].lower != "own" and not glued:
            word.become("the")
            sentence.insert(goal + 1, Word("thereof"))
