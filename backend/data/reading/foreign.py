"""Files that are no tables, recognised by their suffix or their first bytes, and what to do instead."""

from collections.abc import Iterable

PICKLE = (
    "a pickle or another file of Python objects, which can run a stranger's code and is never read. "
    "Open it where you trust it and save the rows as CSV or Parquet"
)
SPREADSHEET = "a spreadsheet. Save its sheet as CSV (in Excel: Save as, CSV UTF-8) and give that"
DOCUMENT = "a document, not a table. Save the rows as CSV"
ARCHIVE = "an archive of a kind that is not read. Unpack it and give the file of rows"
ARROW = "a single Arrow file. Give the folder that save_to_disk wrote, or save the rows as Parquet"
OTHER = "not a table of rows. Save the rows as CSV or Parquet"

BY_SUFFIX = {
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz", ".ckpt"), PICKLE),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), SPREADSHEET),
    **dict.fromkeys((".docx", ".doc", ".odt", ".rtf", ".pdf", ".html", ".htm"), DOCUMENT),
    **dict.fromkeys((".tar", ".tgz", ".7z", ".rar", ".zst"), ARCHIVE),
    **dict.fromkeys((".arrow", ".feather"), ARROW),
    **dict.fromkeys((".safetensors", ".db", ".sqlite", ".h5", ".xml", ".yaml", ".yml"), OTHER),
}

BY_FIRST_BYTES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file. Save its rows as CSV"),
    (b"%PDF-", DOCUMENT),
    (b"{\\rtf", DOCUMENT),
    (b"SQLite format 3\0", "an SQLite database. Save its table as CSV"),
    (b"\x89HDF\r\n", "an HDF5 file. Save its rows as CSV or Parquet"),
    (b"\x93NUMPY", PICKLE),
    (b"\x89PNG", "an image, not a table"),
    (b"\xff\xd8\xff", "an image, not a table"),
    (b"ARROW1\0", ARROW),
    (b"ORC", "an ORC file. Save its rows as CSV or Parquet"),
    (b"Obj\x01", "an Avro file. Save its rows as CSV or Parquet"),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"Rar!\x1a", ARCHIVE),
    (b"\x28\xb5\x2f\xfd", ARCHIVE),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS, not the file itself. Run git lfs pull",
    ),
)
TAR = slice(257, 262)
WEB_PAGE = "a web page, perhaps of a download that failed. Download the file itself"


def foreign_suffix(suffix: str) -> str | None:
    """What a file with that suffix is, and what to do; None for a suffix that is not known here."""
    return BY_SUFFIX.get(suffix.lower())


def foreign_content(start: bytes) -> str | None:
    """What a file that starts with these bytes is, and what to do; None if it may be a table."""
    for first, what in BY_FIRST_BYTES:
        if start.startswith(first):
            return what
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    if start[TAR] == b"ustar":
        return ARCHIVE
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return WEB_PAGE
    return None


def foreign_archive(names: Iterable[str]) -> str | None:
    """What a zip archive with these members is, and what to do; None if it may hold a table."""
    members = list(names)
    if "[Content_Types].xml" in members:
        return SPREADSHEET if any(name.startswith("xl/") for name in members) else DOCUMENT
    if "mimetype" in members and "content.xml" in members:
        return SPREADSHEET
    if any(name.endswith((".pkl", ".pickle")) for name in members):
        return PICKLE
    if members and all(name.endswith(".npy") for name in members):
        return PICKLE
    return None
