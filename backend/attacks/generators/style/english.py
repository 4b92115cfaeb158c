"""Whether a text is English enough to be restyled: by its letters, its function words, a dictionary."""

import re

from backend.attacks.generators.style.lexicon import bag
from backend.attacks.generators.style.verbs import is_word

LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
ENGLISH = frozenset(
    bag(
        "oh|ah|yes|no|hey|wow|the|of|and|to|in|is|it|that|this|with|for|on|as|are|was|be|by|from|at|but|not|have|has|you"
        "|they|he|she|we|his|her|its|their|an|or|which|who|what|there|all|would|will|can|than|one|i|n't"
        "|do|does|did|if|when|so|about|into|more|some|my|your|how|out|just|like"
    )
)
# Frequent words of German, French, Spanish, Italian, Portuguese and Dutch that English lacks.
FOREIGN = frozenset(
    bag(
        "der|das|und|ist|nicht|ein|eine|einen|ich|sie|mit|für|auf|dem|den|des|von|zu|sich|auch|wie|aber"
        "|sehr|le|les|une|et|est|pas|dans|pour|qui|avec|ce|cette|très|je|il|nous|vous|sont|du|el|los"
        "|las|y|es|una|por|muy|pero|como|esta|este|que|del|lo|se|su|yo|gli|è|di|non|che|un|molto|sono"
        "|questo|della|o|os|um|uma|não|é|com|muito|mais|isso|ele|ela|het|een|en|niet|van|ik|zijn|voor"
        "|maar|dit|wat|ook|naar"
    )
)


def is_english(text: str) -> bool:
    """Latin letters for the most part, no other language's function words, words that a dictionary has."""
    words = [word.lower() for word in LETTERS.findall(text[:5000])]
    letters = "".join(words)
    plain = sum("a" <= letter <= "z" or letter == "'" for letter in letters)
    if not letters or plain < 0.7 * len(letters):
        return False
    if sum(word in FOREIGN for word in words) > sum(word in ENGLISH for word in words):
        return False
    known = sum(word in ENGLISH or is_word(word) for word in words)
    # Names and slang are no dictionary words: a third of known ones is enough beside function words.
    return known >= max(1, len(words) / 3)
