"""Hashes of files."""

import hashlib
from pathlib import Path

from backend.base.files import file_hash, joint_hash


def test_files_have_one_hash_together_whatever_order_they_come_in(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"what {name} holds")
    hashes = {name: file_hash(tmp_path / name) for name in ("b", "a")}
    both = hashlib.sha256(f"{hashes['a']}{hashes['b']}".encode()).hexdigest()
    assert joint_hash(hashes) == both == joint_hash(dict(reversed(hashes.items())))
    assert joint_hash({"a": hashes["a"]}) == hashes["a"]
