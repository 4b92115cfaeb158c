"""Convert the SCPN that OpenAttack downloads to files that Excise reads.  Needs torch and safetensors alone.

    python tools/convert_scpn.py FOLDER ~/.excise/cache/scpn

FOLDER holds `scpn.pt`, `parse_generator.pt`, `parse_vocab.pkl`, `ptb_tagset.pkl`, `bpe.codes` and
`vocab.txt`.  The pickles are read by unpicklers that build numbers, strings, tables and tensors and
refuse anything else; still, run this where there is nothing of value."""

import argparse
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

NETWORKS = {
    "paraphrase": ("scpn.pt", ("d_word", "d_hid", "d_nt", "d_trans", "use_input_parse")),
    "parse": ("parse_generator.pt", ("d_nt", "d_hid")),
}


class PlainData(pickle.Unpickler):
    """Builds what Python has of itself, and asks no module for anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_table(path: Path) -> Any:
    with path.open("rb") as file:
        return PlainData(file).load()


def read_network(path: Path) -> dict[str, Any]:
    """`state_dict` and `config_args`, the arguments that the network was trained with."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def convert(source: Path, target: Path) -> None:
    """Write the seven files that `backend/attacks/generators/scpn.py` asks for."""
    target.mkdir(parents=True, exist_ok=True)
    config = {}
    for name, (file, arguments) in NETWORKS.items():
        network = read_network(source / file)
        config[name] = {argument: getattr(network["config_args"], argument) for argument in arguments}
        weights = {key: tensor.contiguous().clone() for key, tensor in network["state_dict"].items()}
        save_file(weights, target / f"{name}.safetensors")
    words, _ = read_table(source / "parse_vocab.pkl")
    tables = {"config": config, "words": words, "tags": read_table(source / "ptb_tagset.pkl")}
    for name, table in tables.items():
        (target / f"{name}.json").write_text(json.dumps(table), encoding="utf-8")
    for name in ("bpe.codes", "vocab.txt"):
        shutil.copy(source / name, target / name)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder", type=Path, help="OpenAttack's AttackAssist.SCPN")
    arguments.add_argument("target", type=Path, help="the folder `scpn` in Excise's cache folder")
    asked = arguments.parse_args()
    convert(asked.folder.expanduser(), asked.target.expanduser())


if __name__ == "__main__":
    main()
