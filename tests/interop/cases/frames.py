"""Frames and arrays whose fingerprints must be MLflow's; executed on both sides."""

# ruff: noqa
import datetime

import numpy as np
import pandas as pd

FRAMES = {
    "unsorted num": pd.DataFrame({"z": [1, 2], "a": [3.0, 4]}),
    "unsorted both": pd.DataFrame({"z": [1, 2], "a": ["x", "y"], "m": [1.0, 2]}),
    "mixed names": pd.DataFrame({"z": [1, 2], 3: ["x", "y"], 1: [1.0, 2]}),
    "mixed2": pd.DataFrame({3: ["x", "y"], "z": [1, 2], 1: ["q", "r"]}),
    "dup": pd.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"]),
    "strings only": pd.DataFrame({"z": ["a", "b"], "a": ["c", "d"]}),
    "multi": pd.DataFrame([[1, 2.0]], columns=pd.MultiIndex.from_tuples([("b", "x"), ("a", "y")])),
    "all": pd.DataFrame(
        {
            "strnull": ["x", None, "z"],
            "o": pd.Series(["x", "y", "z"], dtype=object),
            "cp": [1j, 2j, 3j],
            "td": pd.to_timedelta([1, 2, 3]),
            "b": [True] * 3,
            "cat": pd.Categorical(["a", "b", "a"]),
            "Int": pd.Series([1, None, 3], dtype="Int64"),
        }
    ),
    "emptyobj": pd.DataFrame({"a": pd.Series([], dtype=object)}),
    "dtindex": pd.DataFrame({"a": [1, 2]}, index=pd.to_datetime(["2020-01-01", "2020-01-02"])),
    "bigstr": pd.DataFrame({"a": ["x"] * 10000 + [None]}),
}
FRAMES |= {
    "plain": pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "z"], "c": [1, 2, 3]}),
    "range": pd.DataFrame(np.arange(6.0).reshape(3, 2)),
    "objects": pd.DataFrame({"a": [1, "x", None], "d": [datetime.date(2020, 1, 1)] * 3}),
    "long": pd.DataFrame({"a": np.arange(20000.0)}),
    "index": pd.DataFrame({"a": [1.0, 2]}, index=["p", "q"]),
    "date": pd.DataFrame({"t": pd.to_datetime(["2020-01-01"] * 3)}),
    "empty": pd.DataFrame({"a": pd.Series([], dtype=float)}),
}
ARRAYS = {
    "plain": (np.arange(12.0).reshape(3, 4), None),
    "targets": (np.arange(12.0).reshape(3, 4), np.array([1, 0, 1])),
    "long": (np.arange(120000.0).reshape(30000, 4), None),
    "text": (np.array(["a", "b"]), None),
    "objects": (np.array(["a", 1, None], dtype=object), None),
    "unhashable": (np.array([[1], {}], dtype=object), None),
    "complex": (np.array([1j, 2]), None),
    "half": (np.arange(4, dtype=np.float16), None),
    "dictionary": ({"b": np.arange(3), "a": np.ones((2, 2))}, {"y": np.ones(2)}),
    "no dimensions": (np.array(3.0), None),
}
