"""Images in a parquet table as the Hugging Face Hub keeps them: a column of {"bytes", "path"}, a column of labels."""

from __future__ import annotations

import json
import threading
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from gan_core.data.files import Entry
from gan_core.data.limits import MAX_FILE_BYTES, Unusable
from gan_core.errors import UserError

_LABELS = ("label", "labels", "class")


def list_parquet(name: str, path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """A table's rows as files `name/ROW`, each in the folder of its class, and the class names in the labels' order.

    A table without a column of images gives none. Row groups are read when a row of theirs is opened, two are kept.

    Raises:
        UserError: if it is no readable table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as e:
        raise UserError(f"{name} is not a readable parquet table ({e}).") from e
    schema, about = table.schema_arrow, table.metadata
    column = next((f.name for f in schema if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0), None)
    if column is None:
        return [], ()
    one_at_a_time = threading.Lock()

    @lru_cache(maxsize=2)
    def group_images(group: int) -> list[bytes | None]:
        if about.row_group(group).total_byte_size > MAX_FILE_BYTES:
            raise Unusable(f"its row group is larger than {MAX_FILE_BYTES // 2**20} MiB")
        images = table.read_row_group(group, columns=[column], use_threads=False).column(0).combine_chunks()
        return images.field("bytes").to_pylist()

    def read(group: int, row: int) -> BinaryIO:
        with one_at_a_time:
            return BytesIO(group_images(group)[row] or b"")

    label = next((n for n in _LABELS if n in schema.names), None)
    names = _class_names(schema.metadata, label)
    labels = table.read(columns=[label]).column(0).to_pylist() if label else [None] * about.num_rows
    places = [(group, row) for group in range(about.num_row_groups) for row in range(about.row_group(group).num_rows)]
    entries = [
        Entry(f"{name}/{i}", None, partial(read, *place), folders=_folder(value, names))
        for i, (place, value) in enumerate(zip(places, labels, strict=True))
    ]
    return entries, names


def _class_names(metadata: dict[bytes, bytes] | None, label: str | None) -> tuple[str, ...]:
    """The names that the `datasets` library wrote beside the table for whole-number labels; empty without."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features[label]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _folder(label: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(label, int) and names:
        return (names[label],) if 0 <= label < len(names) else ()
    return () if label is None else (str(label),)
