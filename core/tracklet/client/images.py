"""Images as artifacts: arrays and PIL images, and a small compressed copy for previews."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tracklet import lazy
from tracklet.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

_PREVIEW_PIXELS = 256

_logger = lazy.logger(__name__)


class Image:
    """An image to log, by itself or as a cell of a table.

    Args:
        image: A PIL image, an array or nested list (see ``log_image``), or a file's path.
    """

    def __init__(self, image: Any) -> None:
        if isinstance(image, str | os.PathLike):
            with _pil().open(image) as opened:
                opened.load()
                self._image = opened.copy()
        else:
            self._image = as_pil(image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._image.size

    def to_pil(self) -> PIL.Image.Image:
        """As a PIL image."""
        return self._image

    def to_array(self) -> np.ndarray:
        """As an array of shape (h, w) or (h, w, channels)."""
        import numpy as np

        return np.asarray(self._image)

    def to_list(self) -> list[Any]:
        """As nested lists."""
        return self.to_array().tolist()

    def resize(self, size: tuple[int, int]) -> Image:
        """A copy of another size: (width, height) in pixels."""
        return Image(self._image.resize(size))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file, in the format of its ending."""
        save(self._image, path)


def validate_place(
    artifact_file: str | None, key: str | None, step: Any = None, timestamp: Any = None
) -> None:
    """Check that an image is logged under a file name or as a point of a series.

    Raises:
        InvalidArgument: Not exactly one of them is given, or a file name with what is a point's.
    """
    if (artifact_file is None) == (key is None):
        raise InvalidArgument(
            "give log_image exactly one of artifact_file and key; got "
            f"artifact_file={artifact_file!r}, key={key!r}"
        )
    if artifact_file is not None and (step is not None or timestamp is not None):
        raise InvalidArgument(
            f"step and timestamp are of a series' point, which needs a key; got step={step!r}, "
            f"timestamp={timestamp!r} with artifact_file={artifact_file!r}"
        )


def is_image(value: Any) -> bool:
    """Whether a value is an image object: ours or PIL's."""
    if isinstance(value, Image):
        return True
    return any(base.__module__ == "PIL.Image" for base in type(value).__mro__)


def as_pil(image: Any) -> PIL.Image.Image:
    """The image as PIL's.

    Raises:
        InvalidArgument: It is no image and no array, or the array's shape or a value is out of
            its range.
    """
    if isinstance(image, Image):
        return image.to_pil()
    if is_image(image):
        return image
    import numpy as np

    if not isinstance(image, np.ndarray | list):
        raise InvalidArgument(
            f"an image must be a PIL image, a tracklet.Image or an array; got {type(image)!r}"
        )
    try:
        array = np.asarray(image)
    except ValueError as error:  # lists of different lengths
        raise InvalidArgument(f"these lists are no image array: {error}") from error
    return _pil().fromarray(_bytes(array))


def save(picture: PIL.Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture to a file, in the format of its ending.

    Raises:
        InvalidArgument: There is no such format, or it cannot hold this picture.
    """
    try:
        picture.save(path)
    except (ValueError, OSError) as error:
        name = os.path.basename(path)
        raise InvalidArgument(f"the image cannot be stored as {name!r}: {error}") from error


def compressed(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A copy whose longer side has at most 256 pixels."""
    copy = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    copy.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
    return copy


def _bytes(array: np.ndarray) -> np.ndarray:
    import numpy as np

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InvalidArgument(
            "an image array has the shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); got "
            f"{array.shape}"
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind in "iu":
        if array.size and (array.min() < 0 or array.max() > 255):
            raise InvalidArgument(
                f"integers of an image array lie from 0 to 255; got {array.min()} to {array.max()}"
            )
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        shown = np.clip(np.nan_to_num(array), 0, 1)
        if not np.array_equal(shown, array):
            _logger.warning(
                "floats of an image array lie from 0 to 1; what lay outside was cut, and NaN made "
                "0: got %s to %s",
                array.min(),
                array.max(),
            )
        return (shown * 255).astype(np.uint8)
    raise InvalidArgument(
        f"an image array holds integers, floats or booleans; got dtype {array.dtype}"
    )


def _pil() -> Any:
    return lazy.imported("PIL.Image", "pillow", purpose="storing an image", extra="images")
