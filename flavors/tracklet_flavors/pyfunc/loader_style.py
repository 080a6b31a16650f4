"""Models as data and a module that loads it: MLflow's oldest style of Python models."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tracklet.errors import InvalidParameterValue


@dataclass(frozen=True, slots=True)
class LoaderModel:
    """What ``loader_module`` and ``data_path`` say.

    Args:
        loader_module: The import path of a module with ``_load_pyfunc(path)``.
        data_path: The file or folder that it gets.
    """

    loader_module: str
    data_path: str | Path | None = None

    def check(self) -> None:
        """Refuse data that is not there.

        Raises:
            InvalidParameterValue: It is not.
        """
        if self.data_path is not None and not Path(self.data_path).exists():
            raise InvalidParameterValue(
                f"data_path names {str(self.data_path)!r}: nothing is there"
            )

    def save(self, path: Path) -> dict[str, str]:
        """Copy the data below ``data/``; what the ``MLmodel`` file says of it."""
        if self.data_path is None:
            return {"loader_module": self.loader_module}
        source = Path(self.data_path).resolve()
        target = path / "data" / source.name
        target.parent.mkdir()
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return {"loader_module": self.loader_module, "data": f"data/{source.name}"}
