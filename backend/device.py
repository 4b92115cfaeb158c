"""What the machine offers, asked once: where models run, in which precision, in batches of what size."""

from dataclasses import dataclass
from functools import cache

import torch


@dataclass(frozen=True)
class Device:
    """`batch_tokens` bounds the tokens (padding included) of one evaluation batch."""

    name: str
    torch_device: torch.device
    bf16: bool
    batch_tokens: int


@cache
def probe() -> Device:
    """CUDA with bf16 autocast where there is one, else the CPU in float32 (bf16 on CPUs without
    native support is about a hundred times slower)."""
    if torch.cuda.is_available():
        index = torch.cuda.current_device()
        return Device(
            name=torch.cuda.get_device_name(index),
            torch_device=torch.device("cuda", index),
            bf16=torch.cuda.is_bf16_supported(including_emulation=False),
            batch_tokens=65536,
        )
    return Device(f"CPU, {torch.get_num_threads()} threads", torch.device("cpu"), False, 2048)
