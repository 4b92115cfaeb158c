"""The library's names for the tensors of a file that a training loop named in its own way.  No torch here."""

from collections.abc import Iterable

from backend.base.errors import UserError
from backend.heads.architectures import Architecture

WRAPPERS = frozenset(("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
"""Modules that torch puts around others (compiled, in parallel, sharded, recomputed), at any depth."""


def plain_names(names: Iterable[str], architecture: Architecture) -> dict[str, str]:
    """Each name with the library's: without the names of `WRAPPERS`, and without a prefix that all tensors
    share and that is not the architecture's own, such as `model.`.

    The prefix is what stands before the first layer's query projection.  Raises UserError if two tensors
    get one name."""
    unwrapped = {name: _unwrapped(name) for name in names}
    prefix = _prefix(unwrapped.values(), architecture)
    if all(name.startswith(prefix) for name in unwrapped.values()):
        unwrapped = {name: plain[len(prefix) :] for name, plain in unwrapped.items()}
    if len(set(unwrapped.values())) < len(unwrapped):
        raise UserError(
            "Two of the model's tensors have the same name once the names of torch's wrappers are left out "
            f"({', '.join(sorted(WRAPPERS))}). Save the model again with save_pretrained."
        )
    return unwrapped


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _prefix(names: Iterable[str], architecture: Architecture) -> str:
    query = f"{architecture.query.format(0)}.weight"
    own = f".{architecture.base}."
    for name in names:
        if f".{name}".endswith(f".{query}"):
            before = f".{name[: -len(query)]}"
            return (before.removesuffix(own) + "." if before.endswith(own) else before).removeprefix(".")
    return ""
