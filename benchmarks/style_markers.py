"""Whether a text has markers of a style, from lists of typical words; nothing is learned.

For the styles without published rows to train a classifier on (see style_check).  The lists hold typical
words of each style, also those of the generator, but none of the phrases that it adds before and after a
sentence.  They show that a marker is there, not that a reader would recognise the style.  Every rate is
reported with those of clean rows and of rows without openings and closings."""

import re
from functools import cache

ARCHAIC = (
    r"thou|thee|thy|thine|thyself|ye|hath|hast|doth|dost|art|wilt|shalt|'?tis|'?twas|ere|oft|whilst|aye|nay"
    r"|e'en|ne'er|o'er|e'er|upon|unto|hither|thither|whence|wherefore|methinks|perchance|naught|aught"
    r"|(?!beneath|underneath|breath|death|teeth|wreath|heath|seth|beth|macbeth|elizabeth|kenneth)\w+eth"
)
MARKERS = {
    "shakespeare": rf"{ARCHAIC}|forsooth|sirrah|prithee|anon|marry|verily|alas|zounds|i' faith|in sooth"
    r"|good sir|my (?:good|gentle) lord|sweet lady|hark|fie|knave|'?gainst|'?twixt|pray you|troth|enow"
    r"|i' th'|o' th'",
    "twitter": r"u|ur|r|ppl|lol|lmao|omg|tbh|imo|imho|idk|smh|rn|btw|gonna|wanna|gotta|kinda|tho|thx|pls|plz"
    r"|bc|cuz|cos|wat|dat|da|dis|luv|gr8|b4|2day|haha\w*|wtf|af|fr|ngl|ikr|yall|y'all|lil|nite|thru|w/|k|&"
    r"|rt|bro|wow|xd|[#@]\w+",
    "lyrics": r"oh|ooh|yeah|baby|hey|la la|na na|mmm|whoa|ain't|gonna|wanna|gotta|'?cause|'?til|'?bout"
    r"|'?round|'em|\w+in'|ol'|ya|tonight|girl|lord|o'|'n'",
    "poetry": rf"{ARCHAIC}|o|ah|lo|behold|hark|muse|'?neath|'?twixt|'?gainst|thro'|tho'|morn|eve|dusk|dawn"
    r"|twilight|moon|stars?|sky|winds?|shadows?|stream|hills?|leaves|boughs|maiden|beauteous|slumber|hearth"
    r"|souls?",
}


def has_markers(text: str, style: str) -> bool:
    """Whether `text` contains one of the style's markers as a word."""
    return _pattern(style).search(text.lower().replace("’", "'")) is not None


@cache
def _pattern(style: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{MARKERS[style]})(?![\w])")
