"""Data of all the kinds that people train on and ask models about; each kind stands here once.

``cases()`` gives a name and a function that makes the data anew; tests that promise something of
all data run over all of them, so that a new kind gets every promise by one line here.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tracklet import lazy

DAY: Final = dt.datetime(2020, 1, 2)
FIRST: Final = dt.datetime(2020, 1, 1)


class Case(NamedTuple):
    """One kind of data: its name, and what makes it."""

    name: str
    make: Callable[[], Any]


def cases() -> Iterator[Case]:
    """Frames of pandas and polars, Arrow tables, arrays, sparse matrices and Python's own."""
    yield from pandas_frames()
    yield from frames_by_names()
    yield from tables()
    yield from arrays()
    yield from matrices()
    yield from plain_values()


def pandas_columns() -> dict[str, tuple[list[Any], Any]]:
    """The values and the dtype of one column of each kind that pandas has."""
    import numpy as np
    import pandas as pd

    numpy_numbers = (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "longdouble", "complex64", "complex128"),
    )
    nullable = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    days = [FIRST, DAY]
    durations = [dt.timedelta(1), dt.timedelta(microseconds=3)]
    return {
        **{name: ([1, 2], name) for name in (*numpy_numbers, *nullable, "Float32", "Float64")},
        "large Int64": ([2**62 + 1, 2], "Int64"),
        "large UInt64": ([2**64 - 1, 2], "UInt64"),
        "bool": ([True, False], "bool"),
        "boolean": ([True, False], "boolean"),
        "str": (["a", "ä"], "str"),
        "string": (["a", ""], "string"),
        "texts as objects": (["a", "b"], object),
        "datetime64[ns]": (days, "datetime64[ns]"),
        "datetime64[s]": ([dt.datetime(1500, 1, 1), DAY], "datetime64[s]"),
        "datetime64[us, Europe/Rome]": (days, "datetime64[us, Europe/Rome]"),
        "timedelta64[ns]": (durations, "timedelta64[ns]"),
        "period[M]": ([pd.Period("2020-01", "M"), pd.Period("2020-02", "M")], "period[M]"),
        "interval": ([pd.Interval(0, 1), pd.Interval(1, 2)], "interval[int64, right]"),
        "category of texts": (["a", "b"], "category"),
        "category of integers": ([3, 1], "category"),
        "category of floats": ([0.5, 1.5], "category"),
        "category of booleans": ([True, False], "category"),
        "category of days": (days, "category"),
        "category of intervals": ([pd.Interval(0, 1), pd.Interval(1, 2)], "category"),
        "category of all sorts": (["a", 1], "category"),
        "Sparse[float64]": ([0.0, 1.5], pd.SparseDtype("float64", np.nan)),
        "Sparse[int64]": ([0, 1], pd.SparseDtype("int64", 0)),
        "Sparse[bool]": ([False, True], pd.SparseDtype("bool", False)),
        "integers as objects": ([1, 2], object),
        "long integers": ([2**70, 1], object),
        "floats as objects": ([1.5, 2.5], object),
        "integers and floats": ([2**60 + 1, 2.5], object),
        "booleans as objects": ([True, False], object),
        "bytes": ([b"a", b""], object),
        "dates": ([dt.date(2020, 1, 1), dt.date(1066, 10, 14)], object),
        "datetimes as objects": (days, object),
        "datetimes with zones": ([one.replace(tzinfo=dt.UTC) for one in days], object),
        "times": ([dt.time(1), dt.time(2)], object),
        "timedeltas as objects": (durations, object),
        "decimals": ([decimal.Decimal("1.10"), decimal.Decimal(2)], object),
        "fractions": ([Fraction(1, 3), Fraction(2)], object),
        "texts and numbers": (["a", 1], object),
        "lists": ([[1, 2], [3]], object),
        "lists with gaps": ([[1, None], []], object),
        "lists of lists": ([[[1]], [[2, 3], []]], object),
        "lists of all sorts": ([[1, "x"], [None]], object),
        "arrays": ([np.ones(2), np.zeros(3)], object),
        "matrices": ([np.ones((2, 2)), np.zeros((2, 2))], object),
        "ragged arrays": ([np.array([[1], [2, 3]], dtype=object)] * 2, object),
        "dictionaries": ([{"x": 1, "y": "s"}, {"x": 2}], object),
        "dictionaries with gaps": ([{"x": 1, "z": None}, {"x": pd.NA, "e": {}}], object),
        "dictionaries that differ": ([{"x": 1}, {"x": "s"}], object),
        "tuples": ([(1, 2), (3,)], object),
        "sets": ([{1}, {2}], object),
        "things": ([object, int], object),
        "nothing": ([None, None], object),
        "nothing as floats": ([np.nan, np.nan], "float64"),
        "NA": ([pd.NA, pd.NA], object),
        "NaT": ([pd.NaT, pd.NaT], "datetime64[ns]"),
    }


def arrow_columns() -> dict[str, tuple[list[Any], Any]]:
    """The values and the type of one column of each kind that Arrow has."""
    pa = lazy.imported("pyarrow", "pyarrow", purpose="its tables as cases")

    day, durations = [FIRST, DAY], [dt.timedelta(1), dt.timedelta(microseconds=3)]
    zoned = [one.replace(tzinfo=dt.UTC) for one in day]
    whole = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    return {
        **{name: ([1, 2], getattr(pa, name)()) for name in whole},
        **{name: ([0.5, 1.0], getattr(pa, name)()) for name in ("float16", "float32", "float64")},
        "large int64": ([2**62 + 1, 2], pa.int64()),
        "large uint64": ([2**64 - 1, 2], pa.uint64()),
        "bool": ([True, False], pa.bool_()),
        "string": (["a", "ä"], pa.string()),
        "large_string": (["a", ""], pa.large_string()),
        "binary": ([b"a", b""], pa.binary()),
        "large_binary": ([b"a", b""], pa.large_binary()),
        "binary of 1": ([b"a", b"b"], pa.binary(1)),
        "date32": ([dt.date(2020, 1, 1), dt.date(1500, 1, 1)], pa.date32()),
        "date64": ([dt.date(2020, 1, 1), dt.date(2020, 1, 2)], pa.date64()),
        "timestamp[us]": (day, pa.timestamp("us")),
        "timestamp[ns, UTC]": (zoned, pa.timestamp("ns", "UTC")),
        "time64": ([dt.time(1), dt.time(2)], pa.time64("us")),
        "duration": (durations, pa.duration("us")),
        "decimal": ([decimal.Decimal("1.10"), decimal.Decimal(2)], pa.decimal128(10, 2)),
        "null": ([None, None], pa.null()),
        "list": ([[1, None], []], pa.list_(pa.int64())),
        "list of 2": ([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)),
        "list of lists": ([[[1]], [[2, 3], []]], pa.list_(pa.list_(pa.int64()))),
        "list of decimals": ([[decimal.Decimal(1)], []], pa.list_(pa.decimal128(10, 2))),
        "struct": (
            [{"x": 1, "y": "s"}, {"x": None, "y": None}],
            pa.struct({"x": pa.int64(), "y": pa.string()}),
        ),
        "map": ([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "dictionary": (["a", "b"], pa.dictionary(pa.int32(), pa.string())),
    }


def polars_columns() -> dict[str, tuple[list[Any], Any]]:
    """The values and the dtype of one column of each kind that polars has."""
    pl = lazy.imported("polars", "polars", purpose="its frames as cases")

    whole = ("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64")
    day = [FIRST, DAY]
    return {
        **{name: ([1, 2], getattr(pl, name)) for name in whole},
        **{name: ([0.5, 1.0], getattr(pl, name)) for name in ("Float32", "Float64")},
        "large Int64": ([2**62 + 1, 2], pl.Int64),
        "Boolean": ([True, False], pl.Boolean),
        "String": (["a", "ä"], pl.String),
        "Binary": ([b"a", b""], pl.Binary),
        "Categorical": (["a", "b"], pl.Categorical),
        "Enum": (["a", "b"], pl.Enum(["a", "b"])),
        "Date": ([dt.date(2020, 1, 1), dt.date(1500, 1, 1)], pl.Date),
        "Datetime": (day, pl.Datetime),
        "Datetime with a zone": (
            [one.replace(tzinfo=dt.UTC) for one in day],
            pl.Datetime("us", "UTC"),
        ),
        "Duration": ([dt.timedelta(1), dt.timedelta(2)], pl.Duration),
        "Time": ([dt.time(1), dt.time(2)], pl.Time),
        "Decimal": ([decimal.Decimal("1.10"), decimal.Decimal(2)], pl.Decimal(10, 2)),
        "Null": ([None, None], pl.Null),
        "List": ([[1, None], []], pl.List(pl.Int64)),
        "Array": ([[1, 2], [3, 4]], pl.Array(pl.Int64, 2)),
        "Struct": (
            [{"x": 1, "y": "s"}, {"x": None, "y": None}],
            pl.Struct({"x": pl.Int64, "y": pl.String}),
        ),
        "Object": ([object, int], pl.Object),
    }


def pandas_frames() -> Iterator[Case]:
    """Each kind of column beside another: full, with a missing value, of one row and of none."""
    import pandas as pd

    kinds = pandas_columns()
    kinds |= {
        f"{name}[pyarrow]": (values, pd.ArrowDtype(kind))
        for name, (values, kind) in arrow_columns().items()
    }

    def frame(values: list[Any], dtype: Any, rows: int | None = None) -> Any:
        column = pd.Series(values, dtype=dtype)[:rows]
        return pd.DataFrame({"beside": [0.5] * len(column), "it": column})

    for name, (values, dtype) in kinds.items():
        yield Case(f"pandas {name}", lambda v=values, d=dtype: frame(v, d))
        yield Case(f"pandas {name}, 1 row", lambda v=values, d=dtype: frame(v, d, 1))
        yield Case(f"pandas {name}, 0 rows", lambda v=values, d=dtype: frame(v, d, 0))
        if _can_miss(dtype):
            gap = [values[0], None, *values[1:]]
            yield Case(f"pandas {name}, missing", lambda v=gap, d=dtype: frame(v, d))


def _can_miss(dtype: Any) -> bool:
    """Whether a column of the dtype may hold a missing value."""
    import pandas as pd

    try:
        return bool(pd.Series([None], dtype=dtype).isna().all())
    except (TypeError, ValueError):
        return False


def frames_by_names() -> Iterator[Case]:
    """Frames of numbers whose columns have names of all sorts."""
    import numpy as np
    import pandas as pd

    names: dict[str, Any] = {
        "integers": [3, 1],
        "doubles": [0.5, 1.5],
        "NaN": [0.5, np.nan],
        "None": ["a", None],
        "booleans": [True, False],
        "integers and texts": [1, "1"],
        "spaces": ["a b", " "],
        "no letters": ["", "a"],
        "Unicode": ["größe", "大小🙂"],
        "signs": ["a\n'\"\\", "{}%s"],
        "dates": [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        "timestamps": pd.to_datetime(["2020-01-01", "2020-01-02"]),
        "zones": pd.to_datetime(["2020-01-01", "2020-01-02"], utc=True),
        "periods": pd.period_range("2020-01", periods=2, freq="M"),
        "durations": pd.to_timedelta([1, 2], unit="D"),
        "intervals": pd.interval_range(0, 2),
        "categories": pd.CategoricalIndex(["a", "b"]),
        "tuples": pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
        "tuples of dates": pd.MultiIndex.from_product([["a"], [FIRST, DAY]]),
        "tuples with gaps": pd.MultiIndex.from_tuples([("a", np.nan), (None, "b")]),
        "bytes": [b"a", b"b"],
        "twice the same": ["a", "a"],
    }
    for name, columns in names.items():
        yield Case(
            f"names: {name}",
            lambda columns=columns: pd.DataFrame([[1.5, 2], [3.5, 4]], columns=columns),
        )
    yield Case("5000 columns", lambda: pd.DataFrame(np.ones((1, 5000))))
    yield Case("no columns", lambda: pd.DataFrame(index=range(2)))
    yield Case("index of texts", lambda: pd.DataFrame({"a": [1, 2]}, index=["p", "q"]))
    yield Case("index of dates", lambda: pd.DataFrame({"a": [1, None]}, index=[FIRST, DAY]))
    for name in ("a", None, 3, ("a", 1), FIRST):
        yield Case(f"series named {name!r}", lambda name=name: pd.Series([1.5, 2.5], name=name))
    yield Case("series with gaps", lambda: pd.Series([1.5, None]))
    yield Case("series of texts", lambda: pd.Series(["a", "b"], name="text"))
    yield Case("index", lambda: pd.Index([1, 2]))
    yield Case("timestamp", lambda: pd.Timestamp(FIRST))


def tables() -> Iterator[Case]:
    """Arrow's tables and polars' frames, with each kind of column."""
    pl = lazy.imported("polars", "polars", purpose="its frames as cases")
    pa = lazy.imported("pyarrow", "pyarrow", purpose="its tables as cases")

    def table(values: list[Any], kind: Any) -> Any:
        return pa.table({"beside": [0.5] * len(values), "it": pa.array(values, kind)})

    def frame(values: list[Any], dtype: Any) -> Any:
        return pl.DataFrame({"beside": [0.5] * len(values), "it": pl.Series(values, dtype=dtype)})

    for library, make, kinds in (
        ("arrow", table, arrow_columns()),
        ("polars", frame, polars_columns()),
    ):
        for name, (values, kind) in kinds.items():
            gap = [values[0], None, *values[1:]]
            for words, given in (("", values), (", missing", gap), (", 0 rows", [])):
                yield Case(
                    f"{library} {name}{words}",
                    lambda make=make, given=given, kind=kind: make(given, kind),
                )
    yield Case("arrow record batch", lambda: pa.record_batch({"a": [1, None]}))


def arrays() -> Iterator[Case]:
    """NumPy's arrays, by dtype and by shape."""
    import numpy as np

    kinds = (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "longdouble", "complex64", "complex128", ">f8", ">i4"),
        *("U3", "S3", "datetime64[D]", "datetime64[ns]", "timedelta64[s]", "object", "V4"),
    )
    for kind in kinds:
        yield Case(f"array {kind}", lambda kind=kind: np.array([[0, 1], [1, 0]]).astype(kind))
        yield Case(f"array {kind}, 0 rows", lambda kind=kind: np.empty((0, 2), kind))
    shapes: dict[str, Callable[[], Any]] = {
        "scalar": lambda: np.array(1.5),
        "1-D": lambda: np.array([1.5, np.nan]),
        "3-D": lambda: np.ones((2, 3, 4)),
        "Fortran": lambda: np.asfortranarray(np.ones((3, 2))),
        "strided": lambda: np.ones((6, 4))[::2, ::2],
        "read-only": lambda: np.broadcast_to(np.float64(1), (3, 2)),
        "masked": lambda: np.ma.masked_invalid([[1.0, np.nan]]),
        "records": lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        "StringDType": lambda: np.array(["a", "bb"], dtype=np.dtypes.StringDType()),
        "texts": lambda: np.array(["a", "bb"]),
        "lists": lambda: np.array([[1], {}], dtype=object),
        "by name": lambda: {"x": np.ones((2, 3)), "y": np.ones(2, dtype="int32")},
        "and a scalar": lambda: {"x": np.ones(3), "y": 1},
    }
    for name, make in shapes.items():
        yield Case(f"array: {name}", make)


def matrices() -> Iterator[Case]:
    """SciPy's sparse matrices and arrays in each format."""
    import numpy as np
    import scipy.sparse as sparse

    for kind in ("matrix", "array"):
        for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
            make = getattr(sparse, f"{form}_{kind}")
            for dtype in ("float64", "float32", "int64", "bool"):
                yield Case(
                    f"{form}_{kind} {dtype}",
                    lambda make=make, dtype=dtype: make(np.eye(3, 2, dtype=dtype)),
                )
            yield Case(f"{form}_{kind}, 0 rows", lambda make=make: make((0, 2)))


def plain_values() -> Iterator[Case]:
    """Scalars, lists and dictionaries of Python and of NumPy."""
    import numpy as np
    import pandas as pd

    values: Mapping[str, Any] = {
        "text": "a",
        "empty text": "",
        "integer": 2,
        "long integer": 2**70,
        "float": 1.5,
        "NaN": float("nan"),
        "boolean": True,
        "bytes": b"a",
        "bytearray": bytearray(b"a"),
        "date": dt.date(2020, 1, 1),
        "datetime": FIRST,
        "datetime with a zone": FIRST.replace(tzinfo=dt.UTC),
        "duration": dt.timedelta(1),
        "decimal": decimal.Decimal(1),
        "float32": np.float32(1.5),
        "int8": np.int8(1),
        "uint64": np.uint64(2**63),
        "str_": np.str_("a"),
        "datetime64": np.datetime64("2020-01-01", "us"),
        "tuple": (1, 2),
        "set": {1, 2},
        "NA": pd.NA,
        "list of texts": ["a", "b"],
        "list of integers": [1, 2],
        "list of integers with gaps": [2**60 + 1, None],
        "list of booleans with gaps": [True, None],
        "list of floats with gaps": [1.5, None, float("nan")],
        "list of texts with gaps": ["a", None],
        "list of integers and floats": [1, 2.5],
        "list of all sorts": [1, "a"],
        "list of dates": [dt.date(2020, 1, 1)],
        "list of nothing": [None],
        "empty list": [],
        "list of an empty list": [[]],
        "list of lists": [[1, 2], [3]],
        "list of lists with gaps": [[1, None], [3]],
        "list of arrays": [np.ones(2), np.ones(2)],
        "list of tuples": [(1, 2)],
        "records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        "records that differ": [{"a": 2**60 + 1}, {"a": 2, "b": True}],
        "records with gaps": [{"a": 1, "b": None}, {"a": None, "b": None}],
        "records of records": [{"a": [{"b": 1}], "c": {"d": {}}}],
        "records of lists": [{"a": [1, 2]}, {"a": [3]}],
        "records in conflict": [{"a": 1}, {"a": "x"}],
        "empty records": [{}, {}],
        "dictionary": {"a": 1, "b": "x", "c": 1.5, "d": True, "e": None, "f": b"x"},
        "dictionary of dates": {"a": FIRST, "b": dt.date(2020, 1, 1)},
        "dictionary of scalars": {"a": np.float32(1), "b": np.int8(1), "c": np.bool_(True)},
        "dictionary of lists": {"a": [1, 2], "b": ["x"]},
        "dictionary of texts": {"a": ["x", "y"]},
        "dictionary with gaps": {"a": [None, 1], "b": pd.NA, "c": {}},
        "dictionary of dictionaries": {"a": {"b": 1, "c": [{"d": 1}, {"e": 2}]}},
        "dictionary of empty lists": {"a": [], "b": [[]]},
        "dictionary by integers": {1: 2},
        "empty dictionary": {},
        "chat": {"messages": [{"role": "user", "content": "x"}], "stream": False},
    }
    for name, value in values.items():
        yield Case(f"plain {name}", lambda value=value: value)


def dressed(data: Any) -> Iterator[Case]:
    """The same values in other forms that people hold numbers in.

    Args:
        data: A frame or a 2-D array of finite numbers; of other data there are no other forms.
    """
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        pl = lazy.imported("polars", "polars", purpose="its frames as cases")

        yield Case("nullable dtypes", lambda: data.convert_dtypes(dtype_backend="numpy_nullable"))
        yield Case("Arrow's dtypes", lambda: data.convert_dtypes(dtype_backend="pyarrow"))
        yield Case("sparse columns", lambda: data.astype(pd.SparseDtype("float64", 0)))
        yield Case("objects", lambda: data.astype(object))
        yield Case("columns by integers", lambda: data.set_axis(range(data.shape[1]), axis=1))
        yield Case("another index", lambda: data.set_axis([f"r{i}" for i in data.index], axis=0))
        yield Case("polars", lambda: pl.from_pandas(data))
        yield Case("Arrow", lambda: pl.from_pandas(data).to_arrow())
    elif isinstance(data, np.ndarray) and data.ndim == 2:
        import scipy.sparse as sparse

        yield Case("Fortran order", lambda: np.asfortranarray(data))
        yield Case("other bytes", lambda: data.astype(data.dtype.newbyteorder()))
        yield Case("frame", lambda: pd.DataFrame(data))
        for form in ("coo", "csc", "csr", "dia"):
            yield Case(form, lambda form=form: getattr(sparse, f"{form}_matrix")(data))
            yield Case(f"{form}_array", lambda form=form: getattr(sparse, f"{form}_array")(data))


def changes(given: Any, passed: Any) -> list[str]:
    """What differs in the values of data that was passed on, in words; nothing if nothing does.

    A frame may stand for what it was made of: a series, a table, records, a dictionary or a list.
    """
    if given is passed:
        return []
    one, two = _columns(given), _columns(passed)
    if [len(values) for values in one] != [len(values) for values in two]:
        return [f"{[len(v) for v in one]} values became {[len(v) for v in two]}"]
    return [
        f"column {at}, row {row}: {before!r} became {after!r}"
        for at, (left, right) in enumerate(zip(one, two, strict=True))
        for row, (before, after) in enumerate(zip(left, right, strict=True))
        if not _same(before, after)
    ]


def _columns(data: Any) -> list[list[Any]]:
    if hasattr(data, "iloc"):
        frame = data if hasattr(data, "columns") else data.to_frame()
        return [frame.iloc[:, at].tolist() for at in range(frame.shape[1])]
    if hasattr(data, "itercolumns"):
        return [column.to_pylist() for column in data.itercolumns()]
    if hasattr(data, "iter_columns"):
        pl = lazy.imported("polars", "polars", purpose="its frames as cases")

        # The days of polars are midnights in pandas, by its own account.
        return [
            (one.cast(pl.Datetime) if one.dtype == pl.Date else one).to_list()
            for one in data.iter_columns()
        ]
    if isinstance(data, dict):
        return [[value] for value in data.values()]
    if isinstance(data, list):
        if data and all(isinstance(item, dict) for item in data):
            names = dict.fromkeys(name for item in data for name in item)
            return [[item.get(name) for item in data] for name in names]
        return [data]
    return [[data]]


def _same(one: Any, two: Any) -> bool:
    if _missing(one) or _missing(two):
        return _missing(one) and _missing(two)
    one, two = _listed(one), _listed(two)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    return isinstance(one, bool) == isinstance(two, bool) and bool(one == two)


def _listed(value: Any) -> Any:
    value = value.toarray() if hasattr(value, "toarray") else value
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "ndim") else value


def _missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
