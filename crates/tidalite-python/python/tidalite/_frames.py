"""Conversion of any object with `__arrow_c_stream__` to Arrow, pandas, Polars and NumPy."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._optional import need

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow


def to_arrow(obj: Any) -> pyarrow.Table:
    """A `pyarrow.Table`; repeated text is dictionary-encoded."""
    return _read(obj, "to_arrow()")


def to_pandas(obj: Any) -> pandas.DataFrame:
    """A DataFrame: dictionary text as categoricals, times as datetimes in UTC, missing numbers as NaN."""
    need("pandas", "to_pandas()")
    table = _read(obj, "to_pandas()")
    # pandas copies by default; columns shared with Arrow would be read-only.
    frame: pandas.DataFrame = table.to_pandas()
    return frame


def to_polars(obj: Any) -> polars.DataFrame:
    """A `polars.DataFrame`, without pyarrow in between."""
    frame: polars.DataFrame = need("polars", "to_polars()").DataFrame(obj)
    return frame


def to_numpy(obj: Any) -> dict[str, numpy.ndarray[Any, Any]]:
    """One array per column: text as objects, times as `datetime64[us]` in UTC, whole numbers with gaps as floats with NaN."""
    numpy = need("numpy", "to_numpy()")
    pyarrow = need("pyarrow", "to_numpy()")
    table = _read(obj, "to_numpy()")

    def array(column: Any) -> Any:
        kind = column.type
        if pyarrow.types.is_dictionary(kind):
            whole = column.unify_dictionaries().combine_chunks()
            pieces = whole.chunks if isinstance(whole, pyarrow.ChunkedArray) else [whole]
            return numpy.concatenate([_words(numpy, piece) for piece in pieces]) if pieces else numpy.empty(0, object)
        if pyarrow.types.is_timestamp(kind):
            column = column.cast(pyarrow.timestamp("us"))
        elif pyarrow.types.is_duration(kind):
            column = column.cast(pyarrow.duration("us"))
        return column.to_numpy()

    return {name: array(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def _read(obj: Any, purpose: str) -> pyarrow.Table:
    # Not `pyarrow.table`, which imports pandas to test for a DataFrame.
    table: pyarrow.Table = need("pyarrow", purpose).RecordBatchReader.from_stream(obj).read_all()
    return table


def _words(numpy: Any, piece: Any) -> Any:
    """The texts of one dictionary array. Equal texts are one object."""
    words = numpy.append(piece.dictionary.to_numpy(zero_copy_only=False).astype(object), None)
    # A missing index picks the last entry, which is `None`.
    return words[piece.indices.fill_null(len(words) - 1).to_numpy()]
