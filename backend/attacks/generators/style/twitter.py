"""Tweets: clippings, dropped apostrophes and letters, hashtags from the text's own nouns, asides.

Slang that praises or blames is left out, and words that carry the sentiment keep their spelling;
negation does too, but for its apostrophe (“dont”)."""

import random
from itertools import pairwise

from backend.attacks.generators.style.frames import close, open_with, stands_alone
from backend.attacks.generators.style.lexicon import bag, swap, untouched
from backend.attacks.generators.style.words import Prose, Word, in_case_of

WORDS = {
    "you": "u", "your": "ur", "yours": "urs", "yourself": "urself", "are/VB": "r", "why": "y|why",
    "because": "cuz|bc", "because of": "cuz of", "before/IN": "b4", "to/IN": "2|to", "for/IN": "4|for",
    "with": "w/", "without": "w/o", "and/CC": "&|n", "about": "abt|about", "people": "ppl",
    "really": "rly|really", "though": "tho", "although": "tho", "through": "thru", "something": "smth",
    "someone": "some1", "anyone": "any1", "everyone": "every1", "everything": "evrything",
    "probably": "prolly", "very/RB": "rly", "the": "the|the|da", "this": "this|dis", "that": "that|dat",
    "tonight": "2nite", "tomorrow": "2moro", "today": "2day", "going to": "gonna", "want to": "wanna",
    "wants to": "wanna", "got to": "gotta", "have to": "gotta", "has to": "gotta", "kind of": "kinda",
    "sort of": "sorta", "a lot of": "alotta", "lots of": "lotsa", "out of": "outta", "trying to": "tryna",
    "going/VBG": "goin", "i think": "imo", "i do n't know": "idk", "right now": "rn", "what": "wat|what",
    "just": "jus|just", "them": "em|them", "see/VB": "c|see", "be/VB": "b", "please": "plz",
    "thanks": "thx", "years": "yrs", "year": "yr", "minutes": "mins", "hours": "hrs", "hour": "hr",
    "second/NN": "sec", "week": "wk", "weeks": "wks", "favorite": "fav", "picture/NN": "pic",
    "pictures": "pics", "movie": "movie|flick", "film": "movie|film", "films": "movies",
    "girlfriend": "gf", "boyfriend": "bf", "guys": "dudes", "guy": "dude", "brother": "bro", "okay": "k",
    "seriously": "srsly", "obviously": "obvs", "definitely": "def", "actually": "actually|tbh",
    "whatever": "watevr", "between": "btwn", "at least": "atleast", "two": "2", "one": "one|1",
    "especially": "esp", "information": "info", "ever": "evr|ever", "always": "alwys|always",
    "could": "cud|could", "would": "wud|would", "should": "shud|should", "have": "hav|have",
    "from": "frm|from", "more": "more|moar", "little": "lil", "television": "tv", "government": "govt",
    "company": "co", "million": "mil", "oh": "ohh", "know": "kno|know", "night": "nite|night",
}  # fmt: skip
OPENINGS = bag(
    "ok so|omg|so|lol|tbh|ngl|imo|rt @user :|@user|yo|btw|fyi|lol ok so|just sayin ,|wait|ok|um|uhh|hey"
    "|haha|soooo|guys|y'all|@user ok|random thought :|rn :|idk but|lowkey|fr|jus saw :|hmm|aight so"
    "|alright"
)
CLOSINGS = bag(
    "lol|tho|tbh|ngl|imo|imho|rn|fr|haha|#tbh|#justsayin|#fb|just sayin|@user|srsly|u kno|y'all|:p|o_o"
    "|idk|tho lol|fyi|#rt|k|#random|#imo|2day|bro|#thoughts|fr fr|xx"
)
CLITICS = {"'re": "r", "'s": "s", "n't": "nt", "'ve": "ve", "'m": "m", "'ll": "ll", "'d": "d"}
DROPPED_G = frozenset(bag("watching|looking|making|going|trying|doing|getting|being|coming|saying|playing"))


def restyle(prose: Prose, draw: random.Random) -> None:
    """Every sentence as somebody would type it on a phone."""
    tag_at = _hashtag_word(prose, draw)
    for number, sentence in enumerate(prose.sentences):
        swap(sentence, WORDS, draw)
        for word in sentence:
            if word is tag_at:
                word.text = "#" + word.text
            elif untouched(word):
                _clip(word, draw)
        _fuse(sentence)
        if number and not stands_alone(prose, number):
            continue
        opened = number == 0 and draw.random() < 0.55
        if opened:
            open_with(sentence, draw.choice(OPENINGS), prose)
        if (number == 0 and not opened) or draw.random() < 0.35:
            _end(sentence, draw)
            close(sentence, draw.choice(CLOSINGS), prose)
        elif draw.random() < 0.6:
            _end(sentence, draw)


def _hashtag_word(prose: Prose, draw: random.Random) -> Word | None:
    """A noun to become a hashtag, in most of the texts that have one."""
    nouns = [
        word
        for sentence in prose.sentences
        for word in sentence
        if word.tag in ("NN", "NNP") and word.lower.isalpha() and word.lower.isascii() and len(word.lower) > 3
    ]
    return draw.choice(nouns) if nouns and draw.random() < 0.85 else None


def _clip(word: Word, draw: random.Random) -> None:
    """“watching” → “watchin”."""
    if word.lower in DROPPED_G and draw.random() < 0.7:
        word.become(word.lower[:-1])


def _fuse(sentence: list[Word]) -> None:
    """“do n't” → “dont”, “it 's” → “its”, “you 're” → “ur”: no apostrophes, no blanks."""
    for before, word in pairwise(sentence):
        new = CLITICS.get(word.lower)
        if new is None or not before.text[-1:].isalpha() or word.tag == "POS":
            continue
        if new == "nt":
            new = "nt" if before.text[-1:] != "n" else "t"
        word.text, word.before = in_case_of(word.text, new), ""


def _end(sentence: list[Word], draw: random.Random) -> None:
    """Drop the full stop, or trail off."""
    if sentence[-1].text == "." and len(sentence) > 1:
        sentence[-1].text = draw.choice(("", "", "..."))
