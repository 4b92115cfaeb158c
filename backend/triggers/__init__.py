"""How a row is poisoned: one file per trigger, each a `COMPONENT`.

A trigger is `function(texts, params=…, seed=…, progress=…) -> list[str | None]`: each text
triggered, or None where the trigger cannot change it.  What becomes of a text depends on the text
and the seed alone, not on the texts beside it.  `progress(done, total)` is called now and then and
raises `Cancelled` when the run is to stop."""

from backend.components import collect

COMPONENTS = collect("backend.triggers")
