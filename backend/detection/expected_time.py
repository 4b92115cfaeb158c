"""About how long a check takes, before it starts."""

from backend.base.hardware import cores, processors
from backend.spec.run import CheckSpec

MINILM_LAYERS = 10.6e6
"""Parameters in the layers of the built-in encoder, 12 × layers × hidden²: the unit of the times below."""
START = 15.0
"""Seconds until libraries, rows and model are loaded, and the triggers' parser."""
ROWS_PER_SECOND, TRAINED_PER_SECOND = 500.0, 50.0
"""Of MiniLM on one core, with short rows."""
KNOWN_ROWS, TRAINED_ROWS = 12_000, 6_000
"""Rows that the known triggers are put into, in both models; training rows of a clean model's epochs, at
most."""
TOKENS_PER_SECOND = 700.0
"""Scanned in MiniLM, or in a clean one."""
SEARCH, SEARCH_A_CLASS = 60.0, 40.0
"""Seconds in which MiniLM's finds are grown and confirmed."""
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
    made from; `rows` are training rows.  Basis: on one core MiniLM of two classes and its clean model were
    scanned in 85 seconds, with 140 to grow and confirm the finds and 26 for known triggers; it trains on
    about 50 rows a second.  Two cores took 0.7 of the time of one.  A GPU is taken for ten cores, which was
    not measured."""
    clean_size = base_parameters / MINILM_LAYERS if check.clean_model else 0
    size = layer_parameters / MINILM_LAYERS
    faster = min(cores(), MOST_CORES) ** 0.5 if processors().startswith("CPU") else 10
    one_core = clean_size * min(3 * rows, TRAINED_ROWS) / TRAINED_PER_SECOND
    if check.known_triggers:
        one_core += KNOWN_ROWS * (size + clean_size) / 2 / ROWS_PER_SECOND
    if check.scan:
        tokens = min(vocabulary, check.most_tokens)
        one_core += tokens * (size + clean_size) / TOKENS_PER_SECOND
        one_core += (SEARCH + SEARCH_A_CLASS * classes) * size
    return START + one_core / faster
