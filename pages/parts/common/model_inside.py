"""A choice among the models that lie in a folder which is none itself, such as a training's checkpoints."""

from pathlib import Path

import streamlit as st

from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.models.catalogue import models_inside


def model_inside(key: str, folder: str) -> str:
    """The folder, or of the models inside the one that the user chooses, the newest checkpoint at first."""
    try:
        inside = [str(path) for path in models_inside(typed_path(folder.strip()))] if folder.strip() else []
    except UserError:  # no path at all, as who uses it says
        return folder
    if not inside:
        return folder
    return st.selectbox(
        "Model inside that folder",
        inside,
        len(inside) - 1,
        format_func=lambda path: Path(path).name,
        key=f"{key}-{folder}",
        help="The folder holds no model itself, but these.",
    )
