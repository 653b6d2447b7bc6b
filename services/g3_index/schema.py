"""The tables of the index. They are made by the migrations, which a test holds against this.

The views `feeds`, `fields` and `description` show it as the manual of the first sisock documents it.
"""

from enum import StrEnum

from sqlalchemy import (
    BINARY,
    VARBINARY,
    VARCHAR,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB, TINYINT

LONGEST_PATH = 1024
"""Bytes."""
LONGEST_FEED, LONGEST_NAME = 500, 255
"""Characters of a feed's address, and of the name of a field or a block."""

BINARY_TEXT = "utf8mb4_bin"


class Status(StrEnum):
    """What is known of a file."""

    NEW = "new"
    """Seen, and not read yet."""
    PARTIAL = "partial"
    """Its whole frames are in the index; it ends within a frame."""
    DONE = "done"
    """All of it is in the index."""
    FAILED = "failed"
    """It could not be read to its end; `problem` says why."""
    REPLACED = "replaced"
    """Another file has come to its path; what the index holds of the former is about to go."""
    MISSING = "missing"
    """It is not there any more, and the index holds nothing of it, or is about to."""


class Kind(StrEnum):
    """What the values of a series are."""

    NUMBER = "number"
    BOOL = "bool"
    STRING = "string"


metadata = MetaData()

state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("layout", BigInteger, nullable=False),
)
"""One row. Whoever writes locks it first; `version` grows with each change, `layout` when series come or go."""

files = Table(
    "files",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", VARBINARY(LONGEST_PATH), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("head", BINARY(32), nullable=False),
    Column("head_size", Integer, nullable=False),
    Column("indexed", BigInteger, nullable=False),
    Column("status", VARCHAR(10), nullable=False),
    Column("problem", Text),
    Column("resume", Text),
    Column("due", Boolean, nullable=False),
    UniqueConstraint("path", name="files_path"),
    Index("files_due", "due", "path"),
)
"""Every file that was ever seen. `head` is the SHA-256 of its first `head_size` bytes; `indexed` the bytes, unpacked,
up to which the index has it; `resume` what a reader there must know (JSON); `due` whether a worker is to look at it."""

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_id", ForeignKey("files.id"), nullable=False),
    Column("prov_id", BigInteger, nullable=False),
    Column("description", VARCHAR(LONGEST_FEED, collation=BINARY_TEXT), nullable=False),
    UniqueConstraint("file_id", "prov_id", "description", name="sources_of_file"),
)
"""The providers in each file."""

timelines = Table(
    "timelines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("feed", VARCHAR(LONGEST_FEED, collation=BINARY_TEXT), nullable=False),
    Column("block", VARCHAR(LONGEST_NAME, collation=BINARY_TEXT), nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("frames", BigInteger, nullable=False),
    Column("covered", BigInteger, nullable=False),
    Column("settled_until", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("feed", "block", name="timelines_name"),
)
"""The blocks of each feed. `frames` counts rows of the table of that name, `samples` the stamps in them, and `covered`
the ticks between their first and last stamps. The days before `settled_until` are in all levels of the pyramid.
`revision` grows with each change of what has been there: when samples go, or come into settled days. As long as it is
the same, what somebody remembers of settled days is still so."""

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("timeline_id", ForeignKey("timelines.id"), nullable=False),
    Column("field", VARCHAR(LONGEST_NAME, collation=BINARY_TEXT), nullable=False),
    Column("kind", VARCHAR(6), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    UniqueConstraint("timeline_id", "field", "kind", name="series_name"),
)
"""The fields of each timeline as they are written in the files, and their first and last stamps, ticks."""

presence = Table(
    "presence",
    metadata,
    Column("source_id", ForeignKey("sources.id"), primary_key=True, autoincrement=False),
    Column("series_id", ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
)
"""Which series a provider has in a file, and from when to when, ticks."""

frames = Table(
    "frames",
    metadata,
    Column("timeline_id", ForeignKey("timelines.id"), primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("file_id", ForeignKey("files.id"), primary_key=True, autoincrement=False),
    Column("byte_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("block", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Index("frames_file", "file_id"),
)
"""Where the samples of each hour since 1970 are: one row per frame, block and hour, with the first and the last stamp
that it has in that hour. So a look-up by time reads few rows, however long a frame is, and however far one wrong stamp
lies from the others."""

tiles = Table(
    "tiles",
    metadata,
    Column("level", TINYINT, primary_key=True, autoincrement=False),
    Column("tile", Integer, primary_key=True, autoincrement=False),
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("data", MEDIUMBLOB, nullable=False),
)
"""The summary pyramid; see `services.g3_index.levels` and `services.g3_index.tiles`."""
