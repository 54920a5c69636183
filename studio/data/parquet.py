"""Images in a parquet table as the Hugging Face Hub keeps them: a column of {"bytes", "path"}, or of bytes."""

from __future__ import annotations

import threading
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gan_core.data.decode import MAX_FILE_BYTES, Unusable
from gan_core.data.source import File
from gan_core.errors import UserError
from studio.data import tables
from studio.data.names import known_split
from studio.data.options import Options
from studio.data.tables import Columns


def list_parquet(name: str, path: Path, options: Options = Options()) -> Columns:  # noqa: B008  (it is frozen)
    """A table's rows as files `name/ROW`, with their classes, splits and patients where columns say so.

    A table without a column of images gives none. Row groups are read when a row of theirs is opened, two are kept.

    Raises:
        Unclear: if it is not clear which column holds the images, or the classes.
        UserError: if it is no readable table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as e:
        raise UserError(f"{name} is not a readable parquet table ({e}).") from e
    schema, about = table.schema_arrow, table.metadata
    pictures = [f.name for f in schema if _holds_pictures(f.type)]
    if not pictures:
        return Columns([])
    column = tables.image_column(pictures, options.image, name)
    nested = pa.types.is_struct(schema.field(column).type)
    one_at_a_time = threading.Lock()

    @lru_cache(maxsize=2)
    def group_images(group: int) -> list[bytes | None]:
        if about.row_group(group).total_byte_size > MAX_FILE_BYTES:
            raise Unusable(f"its row group is larger than {MAX_FILE_BYTES // 2**20} MiB")
        images = table.read_row_group(group, columns=[column], use_threads=False).column(0).combine_chunks()
        return (images.field("bytes") if nested else images).to_pylist()

    def read(group: int, row: int) -> BinaryIO:
        with one_at_a_time:
            return BytesIO(group_images(group)[row] or b"")

    said = tables.class_names(schema.metadata)
    plain = tables.simple_columns(table)
    if about.num_rows * max(1, len(plain)) > tables.MOST_CELLS:
        raise UserError(f"{name} claims {about.num_rows:,} rows of {len(plain):,} columns; these are too many.")
    rows = tables.parquet_rows(table)
    label = tables.label_column(plain, options.label, name) or tables.only_class_like(plain, rows, name)
    split, patient = tables.split_column(plain), tables.patient_column(plain)
    of_file = known_split(PurePosixPath(name).stem)
    places = [(group, row) for group in range(about.num_row_groups) for row in range(about.row_group(group).num_rows)]
    files = [
        File(
            f"{name}/{i}",
            partial(read, *place),
            folders=PurePosixPath(name).parts[:-1],
            label=row[label] if label else None,
            split=(row[split] if split else "") or of_file,
            patient=f"patient {row[patient]}" if patient and row[patient] else "",
        )
        for i, (place, row) in enumerate(zip(places, rows, strict=True))
    ]
    return Columns(files, said.get(label, ()), label)


def _holds_pictures(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
