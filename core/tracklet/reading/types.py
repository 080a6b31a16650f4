"""Column types that keep what they are given, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType


class Double(UserDefinedType[float]):
    """An IEEE double to the last bit, ±inf and -0.0 included; NaN is NULL.

    SQLite turns NaN into NULL anyway, and with it every comparison is false, as it should be.
    Its REAL columns would lose the sign of -0.0, so the column has no affinity there.
    """

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """NaN becomes NULL, and integers doubles."""

        def process(value: Any) -> float | None:
            if value is None:
                return None
            value = float(value)
            return None if math.isnan(value) else value

        return process


@compiles(Double)
def _double(type_: Double, compiler: Any, **options: Any) -> str:
    return "DOUBLE PRECISION"


@compiles(Double, "sqlite")
def _double_on_sqlite(type_: Double, compiler: Any, **options: Any) -> str:
    return "EXACT_BLOB"


def as_double(value: float | None) -> float:
    """The double that a stored value stands for."""
    return math.nan if value is None else value


# Texts compare by code point, as in SQLite and in Python, not by the server's locale.
Words = Text().with_variant(Text(collation="C"), "postgresql")

# SQLite counts up by itself only in columns that are declared INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")
