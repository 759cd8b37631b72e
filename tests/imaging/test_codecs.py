"""Compressed DICOM: every transfer syntax gives the pixels that went in."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from pneumonia.errors import DamagedImage
from pneumonia.imaging import Limits, decode
from pneumonia.imaging.dicom import read_header

LOSSLESS = ("lossless", "jpeg-ls", "jpeg-2000", "htj2k", "rle")


def stored(data: bytes) -> np.ndarray:
    return read_header(data, Limits()).stored_values(Limits())


def gradient(bits: int, *, signed: bool = False) -> np.ndarray:
    """A ramp over all values of the depth, with noise: no symmetry, both ends reached."""
    y, x = np.mgrid[0:60, 0:84]
    noise = np.random.default_rng(bits).integers(-9, 10, x.shape)
    ramp = np.clip((x + 84 * y) * (2**bits - 1) // (60 * 84 - 1) + noise, 0, 2**bits - 1)
    ramp[0, 0], ramp[-1, -1] = 0, 2**bits - 1
    if signed:
        return (ramp - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)
    return ramp.astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_lossless_gives_what_went_in(syntax, bits, encode_dicom):
    pixels = gradient(bits)
    data = encode_dicom(pixels, syntax, BitsStored=bits)
    np.testing.assert_array_equal(stored(data), pixels)
    radiograph = decode(data)
    assert radiograph.value_range == (0, 2**bits - 1)
    np.testing.assert_allclose(radiograph.pixels, pixels / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("syntax", ["lossless", "jpeg-ls", "rle"])
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_values_come_back_signed(syntax, bits, encode_dicom):
    pixels = gradient(bits, signed=True)
    np.testing.assert_array_equal(stored(encode_dicom(pixels, syntax, BitsStored=bits)), pixels)


@pytest.mark.parametrize("syntax", ["jpeg-2000", "htj2k"])
def test_signed_jpeg_2000_comes_back_signed(syntax, encode_dicom):
    pixels = gradient(16, signed=True)
    np.testing.assert_array_equal(stored(encode_dicom(pixels, syntax)), pixels)


def test_12_bit_jpeg_is_decoded_to_its_depth(encode_dicom):
    y, x = np.mgrid[0:64, 0:80]
    smooth = (2047.5 + 2000 * np.sin(x / 25) * np.cos(y / 30)).astype(np.uint16)
    found = stored(encode_dicom(smooth, "extended", BitsStored=12)).astype(int)
    assert smooth.max() > 4000
    assert np.abs(found - smooth).max() <= 4  # one step of 8 bits would be 16


def test_lossy_values_beyond_the_depth_are_held_at_its_end(encode_dicom):
    """10 bits in a 12-bit JPEG: what overshoots would come round as black."""
    edge = np.where(np.mgrid[0:64, 0:64][1] < 30, 0, 1023).astype(np.uint16)
    found = stored(encode_dicom(edge, "extended", BitsStored=10))
    assert found[:, 30:].min() > 900
    assert found.max() == 1023


@pytest.mark.parametrize("syntax", ["lossless", "rle"])
def test_bits_above_those_stored_are_ignored(syntax, encode_dicom, compress_frame):
    """Old files keep an overlay there."""
    pixels = gradient(12)
    coded = compress_frame(pixels | np.uint16(0xA000), syntax, 16)
    data = encode_dicom(pixels, syntax, BitsStored=12, PixelData=encapsulate([coded]))
    np.testing.assert_array_equal(stored(data), pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_grey_rgb_is_read_in_every_syntax(syntax, encode_dicom):
    levels = gradient(8)
    rgb = np.stack([levels] * 3, axis=-1)
    radiograph = decode(encode_dicom(rgb, syntax))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), levels)
    assert radiograph.warnings == ()


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_rgb_keeps_its_channels_in_order(syntax, encode_dicom):
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[..., 0] = 200
    found = stored(encode_dicom(rgb, syntax))
    np.testing.assert_array_equal(found, rgb)
    assert decode(encode_dicom(rgb, syntax)).warnings == (
        "The picture has colour; a chest X-ray is grey.",
    )


@pytest.mark.parametrize("photometric", ["YBR_RCT", "YBR_ICT"])
def test_jpeg_2000s_own_colour_transform_is_undone_once(photometric, encode_dicom):
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[..., 1] = 90
    data = encode_dicom(rgb, "jpeg-2000", PhotometricInterpretation=photometric)
    np.testing.assert_array_equal(stored(data), rgb)


def test_of_several_frames_the_first_is_read(encode_dicom):
    frames = [gradient(12), 4095 - gradient(12)]
    data = encode_dicom(
        frames[0],
        BitsStored=12,
        NumberOfFrames=2,
        PixelData=b"".join(frame.tobytes() for frame in frames),
    )
    np.testing.assert_array_equal(stored(data), frames[0])
    (warning,) = decode(data).warnings
    assert warning == "The DICOM file holds 2 pictures (0028,0008); the first was read."


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_of_several_compressed_frames_the_first_is_read(
    syntax, has_table, encode_dicom, compress_frame
):
    frames = [gradient(12), 4095 - gradient(12)]
    coded = [compress_frame(frame, syntax, 12) for frame in frames]
    data = encode_dicom(
        frames[0],
        syntax,
        BitsStored=12,
        NumberOfFrames=2,
        PixelData=encapsulate(coded, has_bot=has_table),
    )
    np.testing.assert_array_equal(stored(data), frames[0])


def test_frames_that_are_not_all_there_are_damage(grey, encode_dicom):
    with pytest.raises(DamagedImage, match=r"holds 256 bytes; 32 x 8 pixels in 9 frames need"):
        decode(encode_dicom(grey, NumberOfFrames=9))


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_a_picture_in_many_fragments_is_put_together(syntax, encode_dicom, compress_frame):
    pixels = gradient(12)
    coded = compress_frame(pixels, syntax, 12)
    data = encode_dicom(
        pixels, syntax, BitsStored=12, PixelData=encapsulate([coded], fragments_per_frame=7)
    )
    np.testing.assert_array_equal(stored(data), pixels)


@pytest.mark.parametrize("syntax", [*LOSSLESS, "extended"])
def test_a_codestream_cut_off_is_damage(syntax, encode_dicom, compress_frame):
    pixels = gradient(12)
    coded = compress_frame(pixels, syntax, 12)
    for share in (0.02, 0.3, 0.9):
        cut = coded[: int(share * len(coded))]
        data = encode_dicom(pixels, syntax, BitsStored=12, PixelData=encapsulate([cut]))
        with pytest.raises(DamagedImage, match=r"Pixel Data \(7FE0,0010\).*Copy or export"):
            decode(data)
