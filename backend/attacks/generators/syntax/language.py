"""Whether a text is English enough to be parsed as such: by its letters and its commonest words."""

import re
import unicodedata

WORDS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
FIRST = 400  # words that are looked at
LONGEST_WORD = 60

COMMON_ENGLISH = """
the a an and or but of to in on at by for with from as is are was were be been being it its he she they
we you i this that these those his her their our your my not no n't do does did have has had will would
can could should may might so too very more most than then there here what which who when while if
because just only out up about into over like all some any one never even me us him them la film films
"""
# The commonest words of Spanish, French, German, Italian, Portuguese, Dutch and Swedish.
COMMON_ELSEWHERE = """
el los las una unos del que por para con pero muy esta este como más sus sobre entre también
le les des du une est pas qui dans pour avec sur ce cette mais très plus sont être aux il elle
der das und ist nicht ein eine einen mit auf für sich auch dem den von zu aber sehr wie oder sind
lo gli della di che non è per sono molto questo anche nel più o os uma não em com mais muito seu sua ao
het een van niet zijn voor met maar ook deze naar wordt heel att och som inte är på för ett av det
"""
ENGLISH = frozenset(COMMON_ENGLISH.split())
ELSEWHERE = frozenset(COMMON_ELSEWHERE.split()) - ENGLISH


def is_english(text: str) -> bool:
    """Whether it has two words or more, nearly all in Latin letters, few of them common elsewhere only."""
    words = [word.lower() for word in WORDS.findall(text)[:FIRST]]
    letters = "".join(words)
    if len(words) < 2 or max(map(len, words)) > LONGEST_WORD:
        return False
    if sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters) < 0.8 * len(letters):
        return False
    english = sum(word in ENGLISH for word in words)
    return 2 * sum(word in ELSEWHERE for word in words) <= english
