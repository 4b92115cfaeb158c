"""Adds a model or rows: a path on this machine, an upload, a name on the hub; all are checked first."""

import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.hub import hub_reachable
from backend.data.tables import KINDS, UNPACKED, check_file, is_rows
from backend.library.entries import Entry, Kind, model_entry, rows_entry
from backend.library.remembered import keep_upload, mark, remembered, safe_name, uploaded_models_folder
from backend.models.catalogue import model_folder
from backend.models.configuration import read_config
from backend.models.received import described_by, usable_model
from backend.models.weights import ADAPTER, hub_folder, require_no_adapter
from backend.runs.results import room_for
from backend.spec.run import DataSpec, ModelSpec

MODEL_FILES = re.compile(r".*\.(json|txt|safetensors|model|md)|LICENSE")
LARGEST = 4 << 30
OF_A_MODEL = {"config.json", "adapter_config.json", "tokenizer_config.json", "tokenizer.json"}
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(:[\w.-]+)?")


def add_path(place: str) -> Entry:
    """Add a model folder or a file of rows on this machine.  Raises UserError if it is neither."""
    path = typed_path(place.strip()).absolute()
    if not place.strip() or not path.exists():
        raise UserError(f"There is nothing at {place.strip() or 'an empty path'}. Check the path.")
    known = remembered()
    if not is_rows(path):
        _require_model(path)
        known.models = [*(other for other in known.models if other != path), path]
        entry_of = model_entry
    else:
        check_file(path)
        known.data = [*(other for other in known.data if other != path), path]
        entry_of = rows_entry
    mark(known, path)
    return entry_of(path, known)


def add_upload(name: str, content: bytes) -> Entry:
    """Keep an uploaded model (a .zip of its folder) or file of rows.  Raises UserError if it is neither."""
    safe = safe_name(name)
    suffix = Path(safe).suffix.lower()
    known = remembered()
    if suffix == ".zip" and not _holds_rows(content):
        place = _unpacked(Path(safe).stem, content)
        mark(known, place)
        return model_entry(place, known)
    if suffix not in KINDS:
        raise UserError(
            f"{safe} is neither a model nor rows. Upload a .zip of a model folder, "
            f"or a file of rows: {', '.join(KINDS)}."
        )
    place = keep_upload(safe, content)
    try:
        check_file(place)
    except UserError:
        place.unlink()
        raise
    mark(known, place)
    return rows_entry(place, known)


def fetch(kind: Kind, name: str) -> str:
    """Download a model or a data set from the hub, and return a sentence about it.  Raises UserError."""
    if not HUB_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no hub name. Give one such as owner/name.")
    if kind == "data":
        from backend.data.hub import load_hub

        dataset = load_hub(DataSpec(source="hub", name=name))
        return f"{name}: {len(dataset.train):,} training rows, classes {', '.join(dataset.label_names)}."
    if not hub_reachable():
        raise UserError(
            f"The model {name!r} cannot be fetched: the Hugging Face hub cannot be reached from here. "
            "Connect, or add a local folder."
        )
    from huggingface_hub import hf_hub_download

    try:
        config = read_config(Path(hf_hub_download(name, "config.json")))
        described_by(config, name).require_usable_head(name)
    except UserError:
        raise
    except Exception as error:  # What the hub's client raises depends on its HTTP library.
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"The model {name!r} could not be fetched from the hub: {reason}") from error
    usable_model(hub_folder(name, online=True), name)
    return f"{name} is on this machine."


def _holds_rows(content: bytes) -> bool:
    """Whether an uploaded archive is one packed file of rows rather than a model's folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError):
        return False
    visible = [path for path in names if not path.name.startswith(".") and "__MACOSX" not in path.parts]
    return len(visible) == 1 and visible[0].name not in OF_A_MODEL and visible[0].suffix.lower() in UNPACKED


def _require_model(folder: Path) -> None:
    """Raise UserError unless the folder holds a model that Excise can load."""
    model_folder(ModelSpec(source="folder", name=str(folder)))
    usable_model(folder, folder.name)


def _unpacked(name: str, content: bytes) -> Path:
    """The model folder of an uploaded archive; only a model's files are unpacked."""
    uploaded_models_folder().mkdir(exist_ok=True)
    place = uploaded_models_folder() / name
    if place.exists():
        raise UserError(f"There is an uploaded model {name} already. Remove it first, or rename the archive.")
    with tempfile.TemporaryDirectory(dir=uploaded_models_folder(), prefix=".unpacking-") as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        try:
            with room_for(folder), zipfile.ZipFile(io.BytesIO(content)) as archive:
                _unpack(archive, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise UserError(f"{name}.zip is not a readable .zip archive ({error}).") from error
        require_no_adapter(folder, name)
        _require_model(folder)
        folder.rename(place)
    return place


def _root(members: Sequence[PurePosixPath]) -> PurePosixPath:
    """The folder of the archive's only model, or of an adapter, which is refused later with its base's name.

    Raises UserError if there is none, or more than one at the same depth."""
    for wanted in ("config.json", ADAPTER):
        roots = sorted({member.parent for member in members if member.name == wanted})
        if not roots:
            continue
        depth = min(len(path.parts) for path in roots)
        highest = [path for path in roots if len(path.parts) == depth]
        if len(highest) > 1:
            raise UserError(
                f"The archive holds {len(highest)} models ({', '.join(map(str, highest[:5]))}). Zip the "
                "folder of one of them."
            )
        return highest[0]
    raise UserError("The archive has no config.json. Zip the folder of a saved model.")


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write the files in the folder of the archive's config.json to `folder`."""
    members = [PurePosixPath(name) for name in archive.namelist()]
    root = _root(members)
    wanted = [
        member
        for member in archive.infolist()
        if PurePosixPath(member.filename).parent == root
        and not member.is_dir()
        and MODEL_FILES.fullmatch(PurePosixPath(member.filename).name)
    ]
    if sum(member.file_size for member in wanted) > LARGEST:
        raise UserError(f"The archive would unpack to more than {LARGEST >> 30} GiB. Add its folder instead.")
    for member in wanted:
        with (
            archive.open(member) as packed,
            (folder / PurePosixPath(member.filename).name).open("wb") as file,
        ):
            shutil.copyfileobj(packed, file)
