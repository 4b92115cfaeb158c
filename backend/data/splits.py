"""Train, validation and test: stratified, seeded, disjoint, near-duplicates on one side.

Two rows are near-duplicates when, apart from case, HTML remains, punctuation and spacing, they have
the same letters and digits in the same order (`do n't` and `don't`), or the same set of words
(in any order).  Both are single keys, so 100,000 rows need no pairwise comparison; paraphrases and
truncated rows are not found.
"""

import html
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from backend.data.rows import Rows

TAG = re.compile(r"<[^<>]{1,100}>")
REMAINS = re.compile(r"#\d{1,5};|(?:and)?(?:apos|quot|amp|lt|gt|nbsp);")
WORD = re.compile(r"[^\W_]+")


def near_duplicate_keys(text: str) -> tuple[str, ...]:
    """Keys of a text: two texts are near-duplicates when they share one.

    A text without letters and digits has itself as the only key."""
    plain = REMAINS.sub(" ", TAG.sub(" ", html.unescape(text.casefold())))
    words = WORD.findall(unicodedata.normalize("NFKC", plain))
    if not words:
        return ("spelling " + " ".join(text.split()),)
    return "letters " + "".join(words), "words " + " ".join(sorted(set(words)))


def keys_of(rows: Rows) -> list[tuple[str, ...]]:
    """The near-duplicate keys of every row; sentence pairs count as one text."""
    if rows.second_texts is None:
        return [near_duplicate_keys(text) for text in rows.texts]
    pairs = zip(rows.texts, rows.second_texts, strict=True)
    return [
        tuple(f"{a} | {b}" for a in near_duplicate_keys(first) for b in near_duplicate_keys(second))
        for first, second in pairs
    ]


def near_duplicate_groups(rows: Rows) -> list[int]:
    """A group number for every row: rows linked by shared keys have the same."""
    parent = list(range(len(rows)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first_with: dict[str, int] = {}
    for row, keys in enumerate(keys_of(rows)):
        for key in keys:
            parent[root(row)] = root(first_with.setdefault(key, row))
    return [root(row) for row in range(len(rows))]


def stratified_order(labels: Sequence[int], seed: int) -> list[int]:
    """A seeded order of the rows in which the first n rows are stratified, for every n.

    The first n rows hold each class within one row of its share, so a smaller row limit takes a
    subset of what a bigger one takes."""
    draw = random.Random(seed)
    by_class: dict[int, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        by_class[label].append(row)
    placed = []
    for label in sorted(by_class):
        rows = by_class[label]
        draw.shuffle(rows)
        placed += [((rank + 0.5) / len(rows), label, row) for rank, row in enumerate(rows)]
    return [row for _, _, row in sorted(placed)]


def cut(rows: Rows, shares: Mapping[str, float], seed: int) -> dict[str, list[int]]:
    """Row numbers by split: each of `shares` gets that share of every class, `train` the rest.

    Each share is rounded per class, with at least one row of a class with three or more.  A group of
    near-duplicates goes to a split where all of it still fits, else to `train`: a share may fall short
    if too few rows are without duplicates, and is never exceeded."""
    groups = near_duplicate_groups(rows)
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    class_counts = _counts(rows.labels)
    room = {
        part: {label: max(round(share * n), 1 if n > len(shares) else 0) for label, n in class_counts.items()}
        for part, share in shares.items()
    }
    parts: dict[str, list[int]] = {part: [] for part in (*shares, "train")}
    seen: set[int] = set()
    for row in stratified_order(rows.labels, seed):
        if groups[row] in seen:
            continue
        seen.add(groups[row])
        group_rows = members[groups[row]]
        needed = _counts(rows.labels[i] for i in group_rows)
        part = next(
            (name for name, free in room.items() if all(free[label] >= n for label, n in needed.items())),
            "train",
        )
        parts[part] += group_rows
        if part != "train":
            for label, n in needed.items():
                room[part][label] -= n
    return parts


def without_duplicates(rows: Rows, of: Rows) -> Rows:
    """The rows that are near-duplicates of no row in `of`, in their order."""
    held_out = {key for keys in keys_of(of) for key in keys}
    return rows.take([i for i, keys in enumerate(keys_of(rows)) if held_out.isdisjoint(keys)])


def _counts(labels: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for label in labels:
        counts[label] += 1
    return counts
