"""The device that models run on, probed once, with its precision and batch size."""

import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from backend.base.errors import UserError

KEEP_MIB = 512


@dataclass(frozen=True)
class Device:
    """`batch_tokens` bounds the tokens (padding included) of one evaluation batch; `keep_bytes` what an
    evaluator keeps of one set of rows between two calls."""

    name: str
    torch_device: torch.device
    bf16: bool
    batch_tokens: int
    keep_bytes: int


@cache
def probe() -> Device:
    """CUDA with bf16 autocast where there is one, else the CPU in float32 (bf16 on CPUs without
    native support is about a hundred times slower)."""
    if torch.cuda.is_available():
        # cuDNN's attention, which torch prefers on Hopper, makes a plan for each number of rows and each
        # length that it sees.  Rows here lie in groups of one length: hardly two batches are alike.
        torch.backends.cuda.enable_cudnn_sdp(False)
        index = torch.cuda.current_device()
        return Device(
            name=torch.cuda.get_device_name(index),
            torch_device=torch.device("cuda", index),
            bf16=torch.cuda.is_bf16_supported(including_emulation=False),
            batch_tokens=65536,
            # An eighth of its memory: the batches are large, and what does not fit is computed anew.
            keep_bytes=_keep_bytes(torch.cuda.get_device_properties(index).total_memory // 8 >> 20),
        )
    threads = torch.get_num_threads()
    name = f"CPU, {threads} thread{'' if threads == 1 else 's'}"
    return Device(name, torch.device("cpu"), False, 2048, _keep_bytes(KEEP_MIB))


def _keep_bytes(default: int) -> int:
    """`EXCISE_KEEP_MIB` or the default MiB, in bytes; raises UserError if it is not a number."""
    setting = os.environ.get("EXCISE_KEEP_MIB") or str(default)
    if not setting.isdecimal():
        raise UserError(
            f"EXCISE_KEEP_MIB is {setting!r}. It limits the memory, in MiB, that pruning keeps for each set "
            f"of rows. Give a whole number of 0 or more, or unset it for {default}."
        )
    return int(setting) << 20


def autocast() -> AbstractContextManager[None]:
    """bf16 where the device computes it natively, else nothing."""
    device = probe()
    return torch.autocast(device.torch_device.type, torch.bfloat16, enabled=device.bf16)


@cache
def cpu_vendor() -> str:
    """From Linux's /proc/cpuinfo, such as GenuineIntel; empty elsewhere."""
    try:
        cpu_info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r"^vendor_id\s*:\s*(\S+)", cpu_info, re.MULTILINE)
    return match.group(1) if match else ""
