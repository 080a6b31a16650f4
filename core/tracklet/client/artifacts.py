"""Verbs on a run's artifacts: files as they are.

A run's listing shows its own files and, under their names, the models that it produced, wherever
their files live.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from tracklet import entities
from tracklet.client.verbs import Verbs
from tracklet.errors import InvalidArgument, InvalidParameterValue, ResourceDoesNotExist
from tracklet.repositories import repository, validate_artifact_path

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.entities import FileInfo, LoggedModel
    from tracklet.record import Store
    from tracklet.repositories import ArtifactRepository


class ArtifactVerbs(Verbs):
    """Store, list and fetch a run's artifacts."""

    def log_artifact(
        self, run_id: str, local_path: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a file, or a folder under its own name.

        Args:
            local_path: What to store.
            artifact_path: The folder to store it in; the root by default.

        Raises:
            FileNotFoundError: There is nothing at ``local_path``.
        """
        from pathlib import Path

        path = Path(path_of("local_path", local_path))
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {str(local_path)!r} to log")
        target = self._repository_to_write(run_id)
        if path.is_dir():
            folder = "/".join(filter(None, (validate_artifact_path(artifact_path), path.name)))
            target.put_tree(path, folder)
        else:
            target.put_file(path, artifact_path)

    def log_artifacts(
        self, run_id: str, local_dir: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a folder's contents.

        Raises:
            FileNotFoundError: There is no folder ``local_dir``.
        """
        from pathlib import Path

        path = Path(path_of("local_dir", local_dir))
        if not path.is_dir():
            raise FileNotFoundError(f"there is no folder {str(local_dir)!r} to log")
        self._repository_to_write(run_id).put_tree(path, artifact_path)

    def log_stream(self, run_id: str, stream: IO[bytes], artifact_file: str) -> None:
        """Store what a binary stream holds from where it stands."""
        if not callable(getattr(stream, "read", None)):
            raise InvalidArgument(f"a binary stream has a method read; got {stream!r}")
        with self.artifact_to_write(run_id, artifact_file) as path, path.open("wb") as writer:
            while chunk := stream.read(1 << 20):
                if isinstance(chunk, str):
                    raise InvalidArgument("a binary stream is stored; this one reads text")
                writer.write(chunk)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """What is in a folder of a run's artifacts, sorted by path; [] for what is no folder."""
        prefix = validate_artifact_path(path)
        own = self.run_repository(run_id).list(prefix)
        models = models_of(self.store, run_id)
        if not prefix:
            seen = {info.path for info in own}
            shown = [entities.FileInfo(name, True) for name in models if name not in seen]
            return sorted([*own, *shown], key=lambda info: info.path)
        name, _, below = prefix.partition("/")
        if name not in models:
            return own
        found = {info.path: info for info in own}
        for info in repository(models[name].artifact_location).list(below):
            path = f"{name}/{info.path}"
            found.setdefault(path, entities.FileInfo(path, info.is_dir, info.file_size))
        return [found[key] for key in sorted(found)]

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Bring a file or folder of a run here and return its local path.

        Without ``dst_path``, what is on this machine already is not copied.

        Args:
            path: What to bring; of a folder whose name ends in ``/``, its contents.
            dst_path: The folder to copy to, created if it is not there.

        Raises:
            ResourceDoesNotExist: There is nothing at ``path``.
        """
        wanted = validate_artifact_path(path)
        destination = folder_to_fill(dst_path)
        if destination is None or not wanted or not path.endswith("/"):
            return str(self._fetched(run_id, wanted, destination))
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory(prefix=".tracklet-", dir=destination) as scratch:
            from pathlib import Path

            fetched = self._fetched(run_id, wanted, Path(scratch))
            if fetched.is_dir():
                shutil.copytree(fetched, destination, copy_function=shutil.move, dirs_exist_ok=True)
                return str(destination)
            return str(shutil.move(fetched, destination / fetched.name))

    def _fetched(self, run_id: str, wanted: str, destination: Path | None) -> Path:
        try:
            return self.run_repository(run_id).fetch(wanted, destination)
        except ResourceDoesNotExist:
            name, _, below = wanted.partition("/")
            model = models_of(self.store, run_id).get(name)
            if model is None:
                shown = ", ".join(info.path for info in self.list_artifacts(run_id)) or "none"
                raise ResourceDoesNotExist(
                    f"run {run_id!r} has no artifact {wanted!r}; its root has: {shown}"
                ) from None
            files = repository(model.artifact_location)
            if destination is not None and not below:
                destination = destination / name
            return files.fetch(below, destination)

    def run_repository(self, run_id: str) -> ArtifactRepository:
        """The repository of a run's own artifacts."""
        uri = self.store.get_run(run_id).info.artifact_uri
        if uri is None:
            raise InvalidParameterValue(f"run {run_id!r} has no place for artifacts")
        return repository(uri)

    def _repository_to_write(self, run_id: str) -> ArtifactRepository:
        return repository(self.store.place_for_artifacts(run_id))

    @contextmanager
    def artifact_to_write(self, run_id: str, artifact_file: str) -> Iterator[Path]:
        """A local path to write; on leaving, the file becomes the artifact, whole or not at all."""
        target = validate_artifact_path(artifact_file)
        if not target:
            raise InvalidParameterValue("an artifact file needs a name, such as 'notes.txt'")
        folder, _, name = target.rpartition("/")
        files = self._repository_to_write(run_id)
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
            path = Path(scratch) / name
            yield path
            files.put_file(path, folder)


def models_of(store: Store, run_id: str) -> dict[str, LoggedModel]:
    """The models that a run logged, by their names; of several of one name the last."""
    models: dict[str, LoggedModel] = {}
    for output in store.get_run(run_id).outputs.model_outputs:
        try:
            model = store.get_logged_model(output.model_id)
        except ResourceDoesNotExist:
            continue
        earlier = models.get(model.name)
        if earlier is None or earlier.creation_timestamp <= model.creation_timestamp:
            models[model.name] = model
    return models


def path_of(argument: str, path: Any) -> str:
    """A local path that a caller gives, as text.

    Raises:
        InvalidArgument: It is none.
    """
    text = path if isinstance(path, str) else getattr(path, "__fspath__", str)()
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgument(f"{argument} is a path, such as 'out/plot.png'; got {path!r}")
    return text


def folder_to_fill(path: Any) -> Path | None:
    """The folder to copy artifacts to, which is created if it is not there; None for None.

    Raises:
        InvalidParameterValue: It is no path, or that of a file.
    """
    if path is None:
        return None
    from pathlib import Path

    folder = Path(path_of("dst_path", path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameterValue(
            f"{str(path)!r} cannot be a folder to download to: {error.strerror or error}"
        ) from error
    return folder
