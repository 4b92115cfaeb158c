"""A specification from plain data, or from a file."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from backend.base.components import explain
from backend.base.errors import UserError
from backend.spec.run import RunSpec


def parse(settings: Any) -> RunSpec:
    """A specification from plain data; raises UserError naming the wrong setting."""
    if not isinstance(settings, dict):
        raise UserError(
            f"A run specification must be a mapping of settings, not a {type(settings).__name__}."
        )
    try:
        return RunSpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"The run specification is not valid. {explain(error)}") from error


def load(path: Path) -> RunSpec:
    """A specification from a YAML (or JSON) file; raises UserError."""
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            f"The specification {path} cannot be read ({error.strerror}). Check the path."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # an impossible date is a ValueError
        raise UserError(f"The specification {path} is not readable YAML: {error}") from error
    except RecursionError as error:
        raise UserError(f"The specification {path} is nested too deeply, or contains itself.") from error
