"""How a benchmark adds what it has just measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.history import render
from benchmarks.history.kinds import KINDS, Document
from benchmarks.history.records import FILE, Record, add, read
from shiftlif.errors import ShiftLIFError
from shiftlif.program.storage import write_atomically


def check(document: Path) -> None:
    """To be called before measuring: whether the history beside a document can be added to.

    Raises:
        SystemExit: it is damaged; the message says where and what to do.
    """
    try:
        read(document.with_name(FILE))
    except ShiftLIFError as error:
        raise SystemExit(str(error)) from None


def note(path: Path, content: Document, part: str, date: str, commit: str | None) -> None:
    """Add the headlines of one part of a document to the history beside it, and write the history's page.

    A part of a quick run, an unfinished one, one without figures, and a document under another name than the
    benchmark's leave the history as it is.

    Args:
        path: of the document, whose name is the benchmark's: ``results/engine.json``.
        content: the document.
        part: the shape or section that was measured.
        date: ISO 8601, when.
        commit: of the repository when the measurement began.

    Raises:
        DataError: the history is damaged.
        ModelFileError: it cannot be written.
    """
    kind = KINDS.get(path.stem)
    finished = None if kind is None else kind.parts(content).get(part)
    if kind is None or finished is None or not (figures := kind.headlines(finished)):
        return
    record = Record(path.stem, date, commit or "unknown", kind.machine(finished), figures)
    write_page(path.with_name(FILE), add(path.with_name(FILE), [record]))


def write_page(path: Path, records: list[Record]) -> Path:
    """The page of a history, beside it."""
    page = path.with_suffix(".md")
    write_atomically(page, render.render(records).encode())
    return page
