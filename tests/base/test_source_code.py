"""What of the program counts for a stage's key, and what does not, tried on a copy of it."""

import shutil
from pathlib import Path

import pytest

from backend import strategies
from backend.attacks import triggers
from backend.base.source_code import ROOT, SourceCode
from backend.defenses import COMPONENTS
from backend.engine.driver import ENGINE

PRUNING = (*ENGINE, "backend.defenses.head_pruning", "backend.strategies.gradient")
"""The modules that scoring by gradients names."""
TUNING = (*ENGINE, "backend.defenses.fine_tuning")
GENERATING = (*ENGINE, "backend.engine.triggered_data", "backend.attacks.triggers.style")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the program's repository, as far as it is code."""
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT, tmp_path / "backend", ignore=leave)
    for beside in ("pages", "benchmarks"):
        shutil.copytree(ROOT.parent / beside, tmp_path / beside, ignore=leave)
    return tmp_path / "backend"


def hashes(package: Path) -> tuple[str, ...]:
    source = SourceCode(package)
    return tuple(source.code_hash(*modules) for modules in (PRUNING, TUNING, GENERATING))


def append(file: Path, text: str = "\nADDED = 1\n") -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as end:
        end.write(text)


def test_what_is_hashed_is_the_chosen_component_and_what_it_imports() -> None:
    pruning = SourceCode().code_of(*PRUNING)
    assert {
        "backend.strategies.gradient",
        "backend.defenses.head_pruning",
        "backend.defenses.fine_tuning",  # imported at the top
        "backend.pruning.guardrail",  # imported in a function, and in turn
        "backend.heads.packed_forward",
        "backend.training.fine_tune",
        "backend.engine.driver",
        "backend.base.steps",
        "backend",
    } <= pruning
    own = {module.function.__module__ for module in strategies.COMPONENTS.values()}
    assert pruning & own == {"backend.strategies.gradient"}
    assert not pruning & {module.function.__module__ for module in triggers.COMPONENTS.values()}
    tuning = SourceCode().code_of(*TUNING)
    assert tuning & {module.function.__module__ for module in COMPONENTS.values()} == {
        "backend.defenses.fine_tuning"
    }
    rooms = {name.split(".")[1] for name in pruning | tuning if "." in name}
    assert not rooms & {"report", "analysis", "studies", "runs", "cli", "library"}


@pytest.mark.parametrize(
    "file",
    [
        "backend/report/sentences.py",
        "backend/report/figures/run.py",
        "backend/studies/built_in.py",
        "backend/runs/store.py",
        "backend/cli/main.py",
        "backend/strategies/random.py",
        "backend/defenses/pure.py",
        "backend/attacks/triggers/sentence.py",
        "pages/runs.py",
        "pages/parts/added.py",
        "benchmarks/replication.py",
    ],
)
def test_a_changed_word_elsewhere_leaves_every_key(package: Path, file: str) -> None:
    before = hashes(package)
    append(package.parent / file, "\n# another word\n")
    assert hashes(package) == before


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("strategies", "gradient.py"),
        ("attacks/triggers", "style.py"),
        ("defenses", "head_pruning.py"),
    ],
)
def test_a_new_component_beside_the_used_one_leaves_every_key(package: Path, kind: str, of: str) -> None:
    before = hashes(package)
    shutil.copy(package / kind / of, package / kind / "added.py")
    assert hashes(package) == before


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("strategies/gradient.py", (True, False, False)),
        ("pruning/guardrail.py", (True, False, False)),
        ("defenses/second_fine_tuning.py", (True, False, False)),
        ("defenses/fine_tuning.py", (True, True, False)),
        ("attacks/triggers/style.py", (False, False, True)),
        ("attacks/generators/style/lexicon.py", (False, False, True)),
        ("heads/packed_forward.py", (True, True, True)),
        ("training/fine_tune.py", (True, True, True)),
        ("engine/step_inputs.py", (True, True, True)),
        ("evaluation/evaluator.py", (True, True, True)),
    ],
)
def test_a_changed_line_of_what_determines_a_result_changes_its_keys(
    package: Path, file: str, changed: tuple[bool, ...]
) -> None:
    before = hashes(package)
    append(package / file)
    now = hashes(package)
    assert tuple(old != new for old, new in zip(before, now, strict=True)) == changed


def test_every_way_to_import_counts_but_for_types(tmp_path: Path) -> None:
    code = {
        "__init__": "",
        "plain": "import package.a",
        "member": "from package import b",
        "name": "from package.c import anything",
        "beside": "from .d import anything",
        "above": "from ..package import e",
        "inside": "def work():\n    from package import f\n",
        "types": "if TYPE_CHECKING:\n    from package import g\nelse:\n    from package import h\n",
        "elsewhere": "import os\nfrom pathlib import Path\nfrom package_of_others import i\n",
        "through": "import package.inside\nimport package.through",
        **dict.fromkeys("abcdefghi", ""),
    }
    package = tmp_path / "package"
    package.mkdir()
    for name, text in code.items():
        (package / f"{name}.py").write_text(text)
    source = SourceCode(package)

    def imported(name: str) -> str:
        found = source.code_of(f"package.{name}") - {"package", f"package.{name}"}
        return " ".join(sorted(one.removeprefix("package.") for one in found))

    assert {name: imported(name) for name in list(code)[1:10]} == {
        "plain": "a",
        "member": "b",
        "name": "c",
        "beside": "d",
        "above": "e",
        "inside": "f",
        "types": "h",
        "elsewhere": "",
        "through": "f inside",
    }
