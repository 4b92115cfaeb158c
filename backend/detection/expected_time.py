"""About how long a check takes, before it starts."""

from backend.base.hardware import cores, processors
from backend.spec.run import CheckSpec

MINILM_LAYERS = 10.6e6
"""Parameters in the layers of the built-in encoder, 12 × layers × hidden²: the unit of the times below."""
START = 15.0
"""Seconds until libraries, rows and model are loaded, and the triggers' parser."""
ROWS_PER_SECOND, TRAINED_PER_SECOND = 500.0, 50.0
"""Of MiniLM on one core, with short rows."""
KNOWN_ROWS, TRAINED_ROWS = 5_000, 6_000
"""Rows that the known triggers are put into, in all; training rows of a clean model's epochs, at most."""
MOST_CLASSES = 6
"""Classes with a row for every token, at most."""
MOST_CORES = 4


def expected_seconds(
    check: CheckSpec,
    layer_parameters: float,
    vocabulary: int,
    rows: int,
    classes: int,
    base_parameters: float = MINILM_LAYERS,
) -> float:
    """Seconds that a check of a model takes on this machine, to within a factor of about two.

    `layer_parameters` are 12 × layers × hidden², `base_parameters` those of the model that the clean one is
    made from; `rows` are training rows.  Basis: one core took about 100
    seconds to scan a fine-tuned MiniLM of two classes (30,500 tokens in a short row of each class, with what
    follows) and 10 to try known triggers; it trains MiniLM on about 50 rows a second.  A GPU is taken for ten
    cores, which was not measured."""
    clean_size = base_parameters / MINILM_LAYERS if check.clean_model else 0
    size = layer_parameters / MINILM_LAYERS
    faster = min(cores(), MOST_CORES) if processors().startswith("CPU") else 10
    seconds = START
    seconds += clean_size * min(3 * rows, TRAINED_ROWS) / TRAINED_PER_SECOND / faster
    if check.known_triggers:
        seconds += KNOWN_ROWS * (size + clean_size) / ROWS_PER_SECOND / faster
    if check.scan:
        tokens = min(vocabulary, check.most_tokens)
        seconds += tokens * min(classes, MOST_CLASSES) * size / ROWS_PER_SECOND / faster
    return seconds
