"""Laws of reading, preparing and writing pictures."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from attribution.data import images
from attribution.data.images import Fault, fault_of, read_image, write_png
from attribution.errors import ImageError


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def speckles(width: int = 20, height: int = 12, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_lossless_picture_comes_back_pixel_for_pixel(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    speckles().save(path)
    image, settings = read_image(path)
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(speckles()))
    assert settings == {}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_read(format: str) -> None:
    assert read_image(encoded(speckles(), format))[0].size == (20, 12)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(format: str) -> None:
    with pytest.raises(ImageError, match="not an image: give a PNG, JPEG or WEBP"):
        read_image(encoded(speckles(), format))


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    turned, _ = read_image(encoded(speckles(), "JPEG", exif=exif, quality=95))
    assert turned.size == (12, 20)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert read_image(encoded(clear))[0].getpixel((0, 0)) == (255, 255, 255)
    half = Image.new("LA", (4, 4), (0, 128))
    assert read_image(encoded(half))[0].getpixel((0, 0)) == (127, 127, 127)
    keyed = Image.new("P", (4, 4), 0)
    keyed.putpalette([9, 9, 9])
    assert read_image(encoded(keyed, transparency=0))[0].getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_greys_keep_their_brightness() -> None:
    deep = Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16))
    assert read_image(encoded(deep))[0].getpixel((0, 0)) == (128, 128, 128)


def test_cmyk_is_converted() -> None:
    image, _ = read_image(encoded(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG"))
    assert image.mode == "RGB"
    assert min(image.getpixel((0, 0))) > 250  # type: ignore[arg-type]


def test_only_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert read_image(data)[0].getpixel((0, 0)) == (255, 0, 0)


def test_nothing_but_pixels_survives_reading() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "secret")
    image, _ = read_image(encoded(speckles(), pnginfo=info))
    assert not image.info
    assert b"secret" not in encoded(image)


def test_too_many_pixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A picture of too many pixels is refused before it is decoded."""
    data = bytearray(encoded(speckles()))
    size = (200_000).to_bytes(4, "big")
    data[16:24] = size + size  # forty thousand million pixels, by the header
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageError, match="more than 40 million pixels"):
        read_image(bytes(data))
    monkeypatch.setattr(images, "MAX_PIXELS", 239)
    with pytest.raises(ImageError, match="million pixels"):
        read_image(encoded(speckles()))


def test_a_jpeg_of_thousands_of_scans_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A picture whose decoding would take minutes is refused before it is decoded."""
    data = encoded(speckles(), "JPEG", progressive=True)
    assert 1 < images.scans(data) < images.MAX_SCANS
    assert read_image(data)
    last = data.rindex(b"\xff\xda")
    many = data[:last] + 5000 * data[last:-2] + data[-2:]
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match=r"a JPEG of 5,\d\d\d scans: save it anew"):
        read_image(many)
    assert fault_of(many) is Fault.DAMAGED


def test_too_many_bytes_are_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    path = tmp_path / "large.png"
    speckles().save(path)
    with pytest.raises(ImageError, match="larger than"):
        read_image(path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file .*nowhere\.png"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image("a\0b")


def test_what_is_not_an_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    with pytest.raises(ImageError, match=r"notes\.png.* is not an image"):
        read_image(path)
    with pytest.raises(ImageError):
        read_image(b"")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_file_cut_anywhere_is_refused_and_nothing_else_is_raised(format: str) -> None:
    data = encoded(speckles(64, 64), format)
    for kept in range(0, len(data) - 40, len(data) // 23):
        with pytest.raises(ImageError):
            read_image(data[:kept])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_no_damage_raises_anything_but_an_image_error(format: str) -> None:
    """Law: No damage to an upload raises anything but a named error."""
    rng = np.random.default_rng(0)
    data = encoded(speckles(32, 32), format)
    for _ in range(200):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            damaged[place] = rng.integers(256)
        try:
            image, _ = read_image(bytes(damaged))
        except ImageError:
            continue
        assert image.mode == "RGB"


# --- our own PNGs --------------------------------------------------------------------------------

SETTINGS = {"prompt": "a dög — «on» snow", "seed": 3, "steps": 30, "guidance": 2.5, "model": "abc"}


def test_a_written_picture_brings_its_settings_back(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    write_png(speckles(), path, SETTINGS)
    image, settings = read_image(path)
    assert settings == SETTINGS
    assert np.array_equal(np.asarray(image), np.asarray(speckles()))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"seed": 1}',
        '{"prompt": 5}',
        "[" * 5_000,
        json.dumps({"prompt": "x" * 30_000}),
    ],
)
def test_settings_that_are_not_ours_are_ignored(text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("whence", text)
    assert read_image(encoded(speckles(), pnginfo=info))[1] == {}


def test_single_settings_of_a_wrong_kind_are_dropped() -> None:
    info = PngImagePlugin.PngInfo()
    odd = '{"prompt": "p", "seed": "1", "steps": true, "guidance": NaN, "model": [], "other": 1}'
    info.add_text("whence", odd)
    assert read_image(encoded(speckles(), pnginfo=info))[1] == {"prompt": "p"}


def test_a_written_picture_brings_its_boxes_back(tmp_path: Path) -> None:
    boxes = [[0.0, 0.25, 0.5, 1.0], [0.5, 0, 1, 1]]
    write_png(speckles(), tmp_path / "picture.png", {**SETTINGS, "boxes": boxes})
    assert read_image(tmp_path / "picture.png")[1] == {**SETTINGS, "boxes": boxes}


@pytest.mark.parametrize(
    "boxes",
    [
        *(3, "a", {}, [3], [[]], [[0, 0, 1]], [[0, 0, 1, "1"]], [[0, 0, 1, True]]),
        *([[0.5, 0, 0.5, 1]], [[0, 0, 2, 1]], [[0, 0, 1, 1]] * 17),
    ],
)
def test_boxes_that_are_none_are_dropped(tmp_path: Path, boxes: object) -> None:
    write_png(speckles(), tmp_path / "picture.png", {**SETTINGS, "boxes": boxes})
    assert read_image(tmp_path / "picture.png")[1] == SETTINGS
