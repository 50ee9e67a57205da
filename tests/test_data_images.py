"""Folders of images by class: modes, sizes, parts, damage, messages; Pillow writes the images."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.data import images
from minprune.errors import ArgumentError, DataError, MinpruneError, MinpruneWarning, MissingError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
RNG = np.random.default_rng(0)
GREY, COLOUR, CLEAR = (RNG.integers(0, 256, (5, 7, *c), np.uint8) for c in ((), (3,), (4,)))


def put(path: Path, image: Any, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if hasattr(image, "save") else Image.fromarray(image)).save(path, **how)
    return path


def classes(root: Path, each: int = 4, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    for k, name in enumerate(names):
        for i in range(each):
            put(root / name / f"{i}.png", np.full((5, 7), 10 * k + i, np.uint8))
    return root


def read(root: Path, **how: Any) -> Any:
    return images(root, **{"val": 0, "test": 0} | how)


def test_images_of_classes(tmp_path: Path) -> None:
    root = classes(tmp_path / "pets", 5)
    (root / "README.txt").write_text("not an image, and not in a class")
    (root / "cat" / ".hidden.png").write_bytes(b"")
    data = images(root, val=2, test=0.2)
    parts = data.train, data.val, data.test
    assert [np.bincount(y).tolist() for _, y in parts] == [[3, 3], [1, 1], [1, 1]]
    assert (data.name, data.classes, data.input_shape) == ("pets", ("cat", "dog"), (1, 5, 7))
    values = np.concatenate([x[:, 0, 0, 0] * 255 for x, _ in parts]).round()
    labels = np.concatenate([y for _, y in parts])
    assert sorted(values) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert np.array_equal(values >= 10, labels)
    assert read(root).train[1].tolist() == [0] * 5 + [1] * 5
    assert read(root, dtype=np.float64).train[0].dtype == np.float64


def test_images_of_numbered_classes_and_own_parts(tmp_path: Path) -> None:
    names = tuple(map(str, range(11)))
    classes(tmp_path / "train", 3, names)
    classes(tmp_path / "test", 1, names[:4])
    data = images(tmp_path, val=11)
    assert data.classes == names
    assert [len(y) for _, y in (data.train, data.val, data.test)] == [22, 11, 4]
    assert data.test[1].tolist() == [0, 1, 2, 3]
    classes(tmp_path / "val", 2, names)
    assert [len(y) for _, y in (images(tmp_path).train, images(tmp_path).val)] == [33, 22]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert read(classes(tmp_path, names=("car", "train"))).classes == ("car", "train")


BIG = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
ALPHA = CLEAR[..., 3:] / 255
BLENDED = np.round(CLEAR[..., :3] * ALPHA + 255 * (1 - ALPHA)) / 255
PALETTE = Image.fromarray(COLOUR).quantize(16)
HOLES = np.array(PALETTE)[..., None] == 0
OPAQUE = np.array(PALETTE.convert("RGB")) / 255
MODES: dict[str, tuple[Any, dict[str, Any], Any, float]] = {
    "grey": (GREY, {}, GREY[None] / 255, 0),
    "grey as colour": (np.stack([GREY] * 3, axis=2), {}, GREY[None] / 255, 0),
    "grey palette": (Image.fromarray(GREY).convert("P"), {}, GREY[None] / 255, 0),
    "colour": (COLOUR, {}, COLOUR.transpose(2, 0, 1) / 255, 0),
    "palette": (PALETTE, {}, OPAQUE.transpose(2, 0, 1), 0),
    "palette with holes": (
        PALETTE, {"transparency": 0}, np.where(HOLES, 1, OPAQUE).transpose(2, 0, 1), 0,
    ),
    "alpha": (CLEAR, {}, BLENDED.transpose(2, 0, 1), 1.01 / 255),
    "grey alpha": (np.stack([GREY, np.full_like(GREY, 255)], axis=2), {}, GREY[None] / 255, 0),
    "black on nothing": (
        np.stack([0 * GREY, GREY % 2 * 255], axis=2).astype(np.uint8), {},
        1.0 - GREY[None] % 2, 0,
    ),
    "16 bits": (BIG, {}, BIG[None] / 65535, 0),
    "1 bit": (Image.fromarray(GREY > 99), {}, (GREY > 99)[None], 0),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_images_of_every_mode(mode: str, tmp_path: Path) -> None:
    image, how, want, within = MODES[mode]
    for name in "ab":
        put(tmp_path / name / "0.png", image, **how)
    x = read(tmp_path, dtype=np.float64).train[0]
    assert x.shape == (2, *want.shape)
    assert abs(x - want).max() <= within


def test_grey_among_colours_has_three_channels(tmp_path: Path) -> None:
    put(tmp_path / "a" / "0.PNG", GREY)
    put(tmp_path / "b" / "0.bmp", COLOUR)
    x = read(tmp_path, dtype=np.float64).train[0]
    np.testing.assert_array_equal(x[0], np.stack([GREY] * 3) / 255)
    np.testing.assert_array_equal(x[1], COLOUR.transpose(2, 0, 1) / 255)


def test_images_are_resized(tmp_path: Path) -> None:
    root = classes(tmp_path)
    put(root / "dog" / "z.png", np.full((9, 3), 77, np.uint8))
    x = read(root, size=(2, 3)).train[0]
    assert x.shape == (9, 1, 2, 3)
    np.testing.assert_array_equal(x[8] * 255, 77)


def test_other_files_are_named_in_a_warning(tmp_path: Path) -> None:
    (classes(tmp_path) / "cat" / "notes.txt").write_text("")
    with pytest.warns(MinpruneWarning) as caught:
        assert len(read(tmp_path).train[0]) == 8
    assert str(caught[0].message) == (
        f"{tmp_path}: 1 of the files in its classes are left out, such as notes.txt; images "
        "must end in .png, .jpg, "
        ".jpeg, .bmp, .pgm, .ppm"
    )


def cut(root: Path) -> None:
    path = root / "dog" / "2.png"
    path.write_bytes(path.read_bytes()[:40])


ALONE = ": must hold a folder of images for each of at least two classes, not "
HOLDER = " alone; pass the folder that holds the classes"
DAMAGED = "{root}/dog/2.png: must be an image, and cannot be read (it is damaged, or something "
DAMAGED += "else); remove it, or copy it again"
MESSAGES: dict[str, tuple[Callable[[Path], Any], type[MinpruneError], str]] = {
    "absent": (lambda root: images(root / "none"), DataError,
        "{root}/none: no such folder; pass one that holds a folder of images for each class"),
    "no path": (lambda root: images(None), ArgumentError,  # type: ignore[arg-type]
        "images: folder must be a path, not None; pass its name as text"),
    "size": (lambda root: images(root, size=28), ArgumentError,  # type: ignore[arg-type]
        "images: size must be (height, width) of at least 1 each, not 28; pass size=(28, 28), for "
        "example"),
    "empty": (lambda root: (root / "e").mkdir() or images(root / "e"), DataError,
        "{root}/e" + ALONE + "none" + HOLDER),
    "one class": (lambda root: images(classes(root / "one", 1, ("cat",))), DataError,
        "{root}/one" + ALONE + "cat" + HOLDER),
    "empty class": (lambda root: (root / "emu").mkdir() or images(root), DataError,
        "{root}/emu: must hold at least one image, .png or .jpg, and holds none; remove the "
        "folder, or fill it"),
    "nested": (lambda root: images(classes(root / "a" / "b").parent.parent), DataError,
        "{root}/a/b: must be an image, not a folder, since {root}/a is a class; move its images, "
        "or pass the folder that holds the classes"),
    "beside": (lambda root: put(root / "0.png", GREY) and images(root), DataError,
        "{root}/0.png: must be in the folder of its class, not beside the folders; move it"),
    "other parts": (
        lambda root: (classes(root / "p" / "train"), classes(root / "p" / "valid"),
                      images(root / "p")), DataError,
        "{root}/p: must hold the folders train, val and test, and no other, not valid; rename or "
        "remove it"),
    "other classes": (
        lambda root: (classes(root / "p" / "train"), classes(root / "p" / "test", 1, ("emu",)),
                      images(root / "p")), DataError,
        "{root}/p/test: must hold classes of the training part, cat, dog, not emu; use the same "
        "names in all parts"),
    "empty part": (
        lambda root: (classes(root / "p" / "train"), (root / "p" / "test").mkdir(),
                      images(root / "p")), DataError,
        "{root}/p/test: must hold a folder for each class, and holds none; fill it"),
    "sizes": (lambda root: put(root / "dog" / "1.png", GREY.T) and images(root), DataError,
        "{root}/dog/1.png: must be 5 x 7 pixels, as {root}/cat/0.png, not 7 x 5; pass "
        "size=(5, 7) to resize all images"),
    "cut": (lambda root: cut(root) or images(root), DataError, DAMAGED),
    "no image": (lambda root: (root / "dog" / "2.png").write_text("hello") and images(root),
        DataError, DAMAGED),
    "too many": (lambda root: images(root, val=8), ArgumentError,
        "images: val must be from 0 to 5 of the 8 samples, of which 2 are for test, as an integer "
        "or as a share below 1, not 8; leave at least one sample for training"),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_images_messages(name: str, tmp_path: Path) -> None:
    provoke, kind, text = MESSAGES[name]
    with pytest.raises(kind) as caught:
        provoke(classes(tmp_path))
    assert caught.value.args == (text.format(root=tmp_path),)


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError) as caught:
        images(tmp_path)
    assert caught.value.args == (
        f"{tmp_path}: cannot be read (Permission denied); check its permissions",
    )


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingError) as caught:
        images(classes_by_hand(tmp_path))
    assert caught.value.args == (
        "images: must have Pillow to read images, which is not installed; run "
        "pip install 'minprune[report]', whose matplotlib brings it",
    )


def classes_by_hand(root: Path) -> Path:
    for name in "ab":
        (root / name).mkdir()
        (root / name / "0.png").write_bytes(b"")
    return root


with tempfile.TemporaryDirectory() as _folder:
    GOOD = put(Path(_folder) / "0.png", GREY).read_bytes()


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_one_wrong_byte_never_ends_in_a_foreign_error(at: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = classes_by_hand(Path(folder))
        put(root / "a" / "0.png", GREY)
        (root / "b" / "0.png").write_bytes(GOOD[:at] + bytes([value]) + GOOD[at + 1 :])
        with suppress(DataError):
            read(root)
