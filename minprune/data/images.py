"""Images in folders, one folder for each class. They are read by Pillow."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minprune.arguments import file_path, float_type, is_count
from minprune.core import PARTS, Array, Dataset, Seed, Split, first_of, ordered
from minprune.data.split import completed
from minprune.errors import ArgumentError, DataError, MinpruneWarning, MissingError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm")


def images(
    folder: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    val: int | float = 0.1,
    test: int | float = 0.2,
    seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = pixel / 255 of the images in folder/CLASS/      x: (n, c, h, w) in [0, 1], y: (n,) int64

    The folder holds one folder for each class with its images, or the folders train and test, and
    val if there is one, with one folder for each class each. c is 1 if all images are grey, else 3,
    red, green and blue. Where an image is transparent it is blended with white. Images of 16 bits
    are divided by 65535. Names that start with a dot or two underscores are left out.

    Parameters
    ----------
    folder : path
        The folder.
    size : (height, width), optional
        What all images are resized to, bilinearly; without it they must have one size.
    val, test : int or float
        How many samples (an integer), or what share (a float), are drawn by class for validation
        and test, where there is no such folder. With val=0 the validation part is the training
        part itself, with test=0 the test part is the validation part.
    seed : int or numpy.random.Generator
        Of the draws.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, with the name of the folder; data.classes has the names of the folders,
        sorted, as numbers if all are numbers.

    Raises
    ------
    DataError
        For a folder that is missing, empty or of another form, an image that is damaged, and
        images of different sizes.
    MissingError
        Without Pillow.
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.images("no/such/folder")
    Traceback (most recent call last):
    ...
    minprune.errors.DataError: no/such/folder: no such folder; pass one that holds a folder ...
    """
    kind = float_type("images", dtype)
    root = file_path("images", "folder", folder)
    if size is not None and not (
        isinstance(size, tuple | list) and len(size) == 2 and all(map(is_count, size))
    ):
        raise ArgumentError(
            f"images: size must be (height, width) of at least 1 each, not {size!r}; "
            f"pass size=(28, 28), for example"
        )
    folders = _folders(root)
    files = {part: _classes(folder) for part, folder in folders.items()}
    classes = ordered(files["train"])
    if len(classes) < 2:
        raise DataError(
            f"{folders['train']}: must hold a folder of images for each of at least two classes, "
            f"not {classes[0] if classes else 'none'} alone; pass the folder that holds the classes"
        )
    pairs = {part: _listed(folders[part], of, classes) for part, of in files.items()}
    pixels = _read([path for paths, _ in pairs.values() for path in paths], size)
    colours = 3 if any(image.ndim == 3 for image in pixels.values()) else 1

    def take(paths: Array, y: Array) -> Split:
        x = np.empty((len(paths), colours, *next(iter(pixels.values())).shape[:2]), kind)
        for i, image in enumerate(pixels[path] for path in paths):
            most = kind.type(np.iinfo(image.dtype).max)
            x[i] = (image.transpose(2, 0, 1) if image.ndim == 3 else image) / most
        return x, y

    parts = completed(pairs, "images", take, val=val, test=test, seed=seed)
    return Dataset(*parts, name=root.resolve().name, classes=classes)


def _folders(root: Path) -> dict[str, Path]:
    """The folder of each part; "train" is the root where there are no parts"""
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder; pass one that holds a folder of images for each class"
        )
    found = {path.name: path for path in _shown(root) if path.is_dir()}
    if "train" not in found or not any(path.is_dir() for path in _shown(found["train"])):
        return {"train": root}
    if other := sorted(found.keys() - set(PARTS)):
        raise DataError(
            f"{root}: must hold the folders train, val and test, and no other, not "
            f"{first_of(other)}; rename or remove it"
        )
    return {part: found[part] for part in PARTS if part in found}


def _classes(folder: Path) -> dict[str, list[Path]]:
    """class -> its images, by name"""
    found, others = {}, []
    for inside in _shown(folder):
        if _is_image(inside):
            raise DataError(
                f"{inside}: must be in the folder of its class, not beside the folders; move it"
            )
        if not inside.is_dir():
            continue
        held = _shown(inside)
        found[inside.name] = list(filter(_is_image, held))
        others += [path for path in held if not _is_image(path)]
        if deeper := [path for path in held if path.is_dir()]:
            raise DataError(
                f"{deeper[0]}: must be an image, not a folder, since {inside} is a class; move its "
                f"images, or pass the folder that holds the classes"
            )
        if not found[inside.name]:
            raise DataError(
                f"{inside}: must hold at least one image, {' or '.join(ENDINGS[:2])}, and holds "
                f"none; remove the folder, or fill it"
            )
    if others:
        warnings.warn(
            f"{folder}: {len(others)} of the files in its classes are left out, such as "
            f"{others[0].name}; images must end in {', '.join(ENDINGS)}",
            MinpruneWarning, stacklevel=3,
        )  # fmt: skip
    return found


def _listed(
    folder: Path, files: dict[str, list[Path]], classes: tuple[str, ...]
) -> tuple[Array, Array]:
    """(n,) paths, and (n,) the numbers of their classes"""
    if unknown := sorted(files.keys() - set(classes)):
        raise DataError(
            f"{folder}: must hold classes of the training part, {first_of(classes)}, not "
            f"{first_of(unknown)}; use the same names in all parts"
        )
    if not files:
        raise DataError(f"{folder}: must hold a folder for each class, and holds none; fill it")
    pairs = [(path, k) for k, name in enumerate(classes) for path in files.get(name, ())]
    paths = np.array([path for path, _ in pairs], object)
    return paths, np.array([k for _, k in pairs], np.int64)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file()


def _shown(folder: Path) -> list[Path]:
    """What is in a folder, without hidden files, by name"""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__")))
    except OSError as e:
        raise DataError(f"{folder}: cannot be read ({e.strerror}); check its permissions") from e


def _read(paths: list[Path], size: tuple[int, int] | None) -> dict[Path, Array]:
    """path -> (h, w) of grey, or (h, w, 3), as whole numbers of 8 or 16 bits"""
    try:
        from PIL import Image
    except ImportError:
        raise MissingError(
            "images: must have Pillow to read images, which is not installed; run "
            "pip install 'minprune[report]', whose matplotlib brings it"
        ) from None
    found: dict[Path, Array] = {}
    for path in paths:
        try:
            with Image.open(path) as image:
                found[path] = _pixels(Image, image, size)
        except Exception as e:  # damage raises errors of many classes
            reason = getattr(e, "strerror", None) or "it is damaged, or something else"
            raise DataError(
                f"{path}: must be an image, and cannot be read ({reason}); remove it, or copy it "
                f"again"
            ) from e
        (h, w), first = found[path].shape[:2], found[paths[0]].shape[:2]
        if (h, w) != first:
            raise DataError(
                f"{path}: must be {first[0]} x {first[1]} pixels, as {paths[0]}, not {h} x {w}; "
                f"pass size={first} to resize all images"
            )
    return found


def _pixels(pillow: Any, image: Any, size: tuple[int, int] | None) -> Array:
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image.convert("I")
    elif "A" in image.mode.upper() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    if image.mode not in ("I", "L"):
        image = image.convert("RGB")
    if size:
        image = image.resize(size[::-1], pillow.Resampling.BILINEAR)
    if image.mode == "I":
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    pixels = np.array(image)
    grey = pixels.ndim == 3 and (pixels == pixels[..., :1]).all()
    return pixels[..., 0] if grey else pixels
