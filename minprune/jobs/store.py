"""runs.db: a row for each cell, in SQLite; only one process writes, and not on a network drive.

SQLite's write-ahead log needs shared memory, which network file systems do not have.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from minprune.errors import FileError

DATABASE = "runs.db"
LOGS = ("-wal", "-shm")  # what SQLite keeps beside it while it is open
COLUMNS = (
    "id", "key", "made", "model", "error", "trace", "warnings", "seconds", "host", "cpu", "blas"
)  # fmt: skip
TABLES = (
    "create table if not exists job (about text not null)",
    f"create table if not exists cells (id text primary key, {', '.join(COLUMNS[1:])})",
)
AS_JSON = ("key", "made", "warnings")
Row = dict[str, Any]


@contextmanager
def as_file_error(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into a FileError."""
    try:
        yield
    except (sqlite3.Error, ValueError, LookupError, TypeError) as e:
        raise FileError(
            f"{path}: must be a database of minprune compare that can be read and written, and is "
            f"not ({type(e).__name__}: {e}); pass another, or delete it to start again"
        ) from None


class Store:
    """The rows of one job, for writing."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        with as_file_error(path):
            self.db = sqlite3.connect(path, isolation_level=None)
            self.db.execute("pragma journal_mode = wal")
            self.db.execute("pragma synchronous = normal")
            self.db.execute("begin")
            with self.db:
                for words in TABLES:
                    self.db.execute(words)
                self.db.execute("delete from job")
                self.db.execute("insert into job values (?)", [json.dumps(about)])

    def write(self, id: str, key: Any, row: Row) -> None:
        """Keep a row."""
        found = {"id": id, "key": key} | row
        values = [json.dumps(found[c]) if c in AS_JSON else found[c] for c in COLUMNS]
        marks = ", ".join("?" * len(COLUMNS))
        with as_file_error(self.path):
            self.db.execute(f"insert or replace into cells values ({marks})", values)

    def models(self) -> dict[str, bytes | None]:
        """{id: model} of all rows"""
        with as_file_error(self.path):
            return dict(self.db.execute("select id, model from cells"))

    def forget_failed(self) -> None:
        """Remove the rows of cells that failed."""
        with as_file_error(self.path):
            self.db.execute("delete from cells where error is not null")

    def close(self) -> None:
        """The log goes into the database."""
        self.db.close()


def begun(path: Path) -> dict[str, Any] | None:
    """What is said about the job; None for a database without any, as a killed process leaves it

    Raises FileError for another file.
    """
    with as_file_error(path), closing(sqlite3.connect(path)) as db:
        if not db.execute("select * from sqlite_master where name = 'job'").fetchall():
            return None
        found: dict[str, Any] = json.loads(db.execute("select about from job").fetchone()[0])
        return found


def read(path: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """(about the job, {id: row without its model}); raises FileError for another file."""
    if not path.exists():
        raise FileError(f"{path}: no such file; pass the path of a {DATABASE}, or its folder")
    about = begun(path) if path.is_file() else None
    if about is None:
        raise FileError(f"{path}: no rows of minprune compare; pass the path of its {DATABASE}")
    names = [c for c in COLUMNS if c != "model"]
    with as_file_error(path), closing(sqlite3.connect(path)) as db:
        found = {}
        for values in db.execute(f"select {', '.join(names)} from cells"):
            row = dict(zip(names, values, strict=True))
            found[row["id"]] = row | {c: json.loads(row[c]) for c in AS_JSON}
        return about, found


def forget(path: Path) -> None:
    """Remove a database and its logs."""
    for name in (path, *(path.with_name(path.name + log) for log in LOGS)):
        with suppress(FileNotFoundError):
            name.unlink()
