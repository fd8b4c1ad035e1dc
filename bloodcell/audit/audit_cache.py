"""Finished audits, kept below the home until a file of the dataset changes."""

import hashlib
import json
from pathlib import Path

from bloodcell.audit.audit import DatasetAudit
from bloodcell.audit.audit_report import audit_from_dict, audit_to_dict
from bloodcell.datasets.folder_scan import FolderScan
from bloodcell.datasets.locked_test import LOCKED_TEST_FILE
from bloodcell.json_objects import read_json_object
from bloodcell.paths import home_folder, write_atomically

_MOST_BYTES = 200_000_000
_VERSION = 3
"""Raise it when the audit finds something else in the same files."""


def read_kept_audit(scan: FolderScan) -> DatasetAudit | None:
    """Return the audit of exactly these files, or None where there is none or it cannot be read."""
    try:
        return audit_from_dict(read_json_object(_file_of(scan), most_bytes=_MOST_BYTES), scan.files)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # A damaged file is replaced by the next audit.


def keep_audit(scan: FolderScan, audit: DatasetAudit) -> None:
    """Keep an audit.

    Raises:
        OSError: the home cannot be written.
    """
    file = _file_of(scan)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(audit_to_dict(audit)).encode())


def _file_of(scan: FolderScan) -> Path:
    """Name the file after all names, sizes and times of change, and after the list of locked images."""
    locked = hashlib.sha256(LOCKED_TEST_FILE.read_bytes()).hexdigest()
    digest = hashlib.sha256(f"{_VERSION}\n{locked}\n{scan.folder}\n".encode(errors="surrogateescape"))
    for file in scan.files:
        status = file.path.stat()
        line = f"{file.relative_path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return home_folder() / "audits" / f"{digest.hexdigest()}.json"
