"""Places that keep artifacts, by URI scheme.

Plain paths and ``file:`` URIs are local folders and are opened without reading plugin metadata;
every other scheme is looked up in the entry-point group ``tracklet.artifacts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy, plugins, settings
from tracklet.errors import InvalidArgument, InvalidParameterValue
from tracklet.repositories.repository import ArtifactRepository, beneath, validate_artifact_path

if TYPE_CHECKING:
    from tracklet.repositories.local import LocalArtifacts
else:
    __getattr__ = lazy.lookup(__name__, {"LocalArtifacts": "tracklet.repositories.local"})

__all__ = [
    "ArtifactRepository",
    "LocalArtifacts",
    "beneath",
    "repository",
    "validate_artifact_path",
]


def repository(uri: str) -> ArtifactRepository:
    """The repository rooted at a URI.

    Raises:
        InvalidParameterValue: No repository is registered for the URI's scheme.
    """
    if not isinstance(uri, str):
        raise InvalidArgument(f"a repository of artifacts is named by a URI or path; got {uri!r}")
    if settings.path_of(uri) is not None:
        from tracklet.repositories.local import LocalArtifacts

        return LocalArtifacts(uri)
    scheme = uri.partition(":")[0]
    known = plugins.entry_points("artifacts")
    if scheme not in known:
        raise InvalidParameterValue(
            f"no artifact repository is registered for {uri!r}: known are plain paths, file: URIs "
            f"without host, query and fragment, and the schemes {', '.join(sorted(known))}"
        )
    return plugins.load("artifacts", scheme)(uri)
