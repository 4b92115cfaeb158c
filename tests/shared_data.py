"""Where the published trigger data lies, which is no part of this project."""

import os
from pathlib import Path

import pytest


def shared(path: str) -> Path:
    """A path in `../shared/data` (or `EXCISE_SHARED_DATA`); skips the test where it is absent."""
    root = Path(os.environ.get("EXCISE_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (root / path).exists():
        pytest.skip(f"{root / path} is absent: the published trigger data are not part of the project")
    return root / path
