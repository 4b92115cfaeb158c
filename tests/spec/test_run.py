"""The settings of a run: what they take, and how they are written."""

import pytest
from pydantic import ValidationError

from backend.base.errors import UserError
from backend.spec.overrides import changed
from backend.spec.presets import preset
from backend.spec.run import CheckSpec, DataSpec, RunSpec


@pytest.mark.parametrize(
    ("written", "separator"),
    [(";", "semicolon"), (",", "comma"), ("\t", "tab"), ("|", "pipe"), ("tab", "tab")],
)
def test_a_separator_is_named_or_written(written: str, separator: str) -> None:
    assert DataSpec.model_validate({"separator": written}).separator == separator


def test_an_encoding_is_one_that_files_of_rows_have() -> None:
    assert DataSpec(encoding="Latin-1").encoding == "iso8859-1"
    assert DataSpec(encoding=" ").encoding is None
    for name in ("utf-7", "hex", "idna", "no such", "unicode_escape"):
        with pytest.raises(ValidationError, match="there is no encoding"):
            DataSpec(encoding=name)


def test_how_files_are_read_is_written_only_where_it_is_given() -> None:
    """So that the settings of earlier versions, and what is named by their hash, stay as they were."""
    assert not {"separator", "encoding", "header"} & DataSpec().model_dump().keys()
    given = DataSpec(separator="tab", header=False).model_dump(mode="json")
    assert (given["separator"], given["header"]) == ("tab", False) and "encoding" not in given
    assert DataSpec.model_validate(given) == DataSpec(separator="tab", header=False)


def test_the_command_line_sets_them() -> None:
    spec = changed(preset("smoke"), ["data.separator=';'", "data.header=no", "data.encoding=cp1252"])
    assert (spec.data.separator, spec.data.header, spec.data.encoding) == ("semicolon", False, "cp1252")
    with pytest.raises(UserError, match="separator"):
        changed(preset("smoke"), ["data.separator=x"])


def test_the_base_of_a_check_is_written_only_where_it_is_named() -> None:
    assert "base" not in CheckSpec().model_dump() and "base" not in RunSpec().model_dump(mode="json")["check"]
    named = CheckSpec(base="google-bert/bert-base-uncased").model_dump()
    assert named["base"] == "google-bert/bert-base-uncased" and CheckSpec(**named).base == named["base"]
