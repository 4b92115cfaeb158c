"""About how long a check takes, before it starts."""

from backend.base.hardware import cores, processors
from backend.spec.run import CheckSpec

MINILM_LAYERS = 10.6e6
"""Parameters in the layers of the built-in encoder, 12 × layers × hidden²: the unit of the times below."""
START = 15.0
"""Seconds until libraries, rows and model are loaded, and the triggers' parser."""
ROWS_PER_SECOND, TRAINED_PER_SECOND = 500.0, 50.0
"""Of MiniLM on one core, with rows of some twenty tokens."""
KNOWN_ROWS, SCAN_ROWS, TRAINED_ROWS = 5_000, 6, 6_000
"""Rows that the known triggers are put into, in all; rows for each token; rows of a clean model's epochs."""
MOST_CORES = 4


def expected_seconds(check: CheckSpec, layer_parameters: float, vocabulary: int, rows: int) -> float:
    """Seconds that a check of a model takes on this machine, to within a factor of about two.

    `layer_parameters` are 12 × layers × hidden²; `rows` are training rows.  Basis: on one core MiniLM reads
    about 500 short rows a second (17,940 tokens in 6 rows each took 3.5 minutes) and trains on about 50; a
    GPU is taken for ten times as fast as one core, which was not measured."""
    size = layer_parameters / MINILM_LAYERS
    faster = min(cores(), MOST_CORES) if processors().startswith("CPU") else 10
    seconds = START
    if check.clean_model:
        seconds += min(3 * rows, TRAINED_ROWS) / TRAINED_PER_SECOND / faster
    if check.known_triggers:
        seconds += KNOWN_ROWS * (size + check.clean_model) / ROWS_PER_SECOND / faster
    if check.scan:
        seconds += min(vocabulary, check.most_tokens) * SCAN_ROWS * size / ROWS_PER_SECOND / faster
    return seconds
