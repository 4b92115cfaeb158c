"""The command line, run in the test's own process."""

from collections.abc import Callable

import pytest

from backend.cli.main import main

Result = tuple[int, str, str]
"""Exit status, stdout and stderr."""


@pytest.fixture
def excise(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command line here."""

    def call(*args: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call
