"""The DICOM files beside the repository, in nearly every syntax, against other decoders."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from benchmarks import dicom_files
from benchmarks.dicom_files import by_pydicom, by_this_reader
from pneumonia.config import ROOT
from pneumonia.errors import UnsupportedEncoding
from pneumonia.imaging import decode

pytestmark = pytest.mark.real

FLOATS = "PM_float32_pixel.dcm"
LOSSLESS_TWINS = {
    # where pydicom needs a GPL or an unsafe package, and the same picture in a syntax it reads
    "CTImage-ts.4.70.dcm": "CTImage-ts.1.dcm",
    "RG2_JPLL.dcm": "RG2_JLSL.dcm",
    "RG3_JPLL.dcm": "RG3_RLE.dcm",
}
LOSSY_12_BITS = ("CTImage-ts.4.51.dcm", "CTImage-ts.4.53.dcm", "CTImage-ts.4.55.dcm")
LOSSY_10_BITS = ("RG2_JPLY.dcm", "RG2_JPLY_fixed.dcm")


@pytest.fixture(scope="module")
def folder(real_data: Path) -> Path:
    folder = real_data / "dicom" / "more"
    if not folder.is_dir():
        pytest.skip(f"no DICOM files at {folder}")
    return folder


def test_every_file_is_read_to_pydicoms_pixels_or_refused(folder: Path) -> None:
    other = (FLOATS, *LOSSLESS_TWINS, *LOSSY_12_BITS, *LOSSY_10_BITS)
    paths = [path for path in sorted(folder.glob("*.dcm")) if path.name not in other]
    assert len(paths) == 37 - len(other)
    for path in paths:
        found, expected = by_this_reader(path), by_pydicom(path)
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("="), path.name
        np.testing.assert_array_equal(found, expected, path.name)


@pytest.mark.parametrize("name", LOSSLESS_TWINS)
def test_lossless_jpeg_gives_the_pixels_of_another_lossless_syntax(name, folder: Path) -> None:
    np.testing.assert_array_equal(
        by_this_reader(folder / name), by_pydicom(folder / LOSSLESS_TWINS[name])
    )


@pytest.mark.parametrize("name", LOSSY_12_BITS)
def test_12_bit_jpeg_is_near_the_uncompressed_picture(name, folder: Path) -> None:
    """It was made of the CT image, rescaled to 12 bits: its rescale gives that image's units."""
    dataset = pydicom.dcmread(folder / name)
    original = by_pydicom(folder / "CTImage-ts.1.dcm") - 1024.0
    found = by_this_reader(folder / name) * float(dataset.RescaleSlope) + float(
        dataset.RescaleIntercept
    )
    apart = np.abs(found - original)
    assert apart.mean() < 4  # of 4,402 units; one step of 8 bits would be 32
    assert apart.max() < 40
    np.testing.assert_array_equal(
        by_this_reader(folder / name), by_this_reader(folder / LOSSY_12_BITS[0])
    )


@pytest.mark.parametrize("name", LOSSY_10_BITS)
def test_10_bits_in_a_12_bit_jpeg_are_near_the_lossless_picture(name, folder: Path) -> None:
    apart = np.abs(by_this_reader(folder / name).astype(int) - by_pydicom(folder / "RG2_JLSL.dcm"))
    assert apart.mean() < 4  # of 893
    assert by_this_reader(folder / name).max() < 1024


def test_pixels_of_floating_point_are_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedEncoding, match=r"floating point, FloatPixelData \(7FE0,0008\)"):
        decode((folder / FLOATS).read_bytes())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tables_and_windows_agree_with_pydicom(folder: Path) -> None:
    """Modality LUT, rescale, then the first VOI LUT or window, over the range each can give."""
    compared = []
    for path in sorted(folder.glob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True)
        if path.name == FLOATS or "MONOCHROME" not in dataset.PhotometricInterpretation:
            continue
        if not {"WindowCenter", "VOILUTSequence"} & set(dataset.dir()):
            continue
        with warnings.catch_warnings(action="ignore"):
            values = apply_modality_lut(by_this_reader(path), dataset)
            shown = apply_voi_lut(values, dataset, index=0).astype(float)
        if "VOILUTSequence" in dataset:
            least, most = 0, 2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
        else:  # pydicom spreads a window over the range that the rescale can give
            signed = dataset.PixelRepresentation
            ends = np.array([0, 2**dataset.BitsStored - 1]) - signed * 2 ** (dataset.BitsStored - 1)
            slope = float(dataset.get("RescaleSlope", 1))
            least, most = ends * slope + float(dataset.get("RescaleIntercept", 0))
        shown = (shown - least) / (most - least)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            shown = 1 - shown
        if dataset.get("PatientOrientation") == ["R", "F"]:  # stored mirrored, turned round
            shown = shown[:, ::-1]
        np.testing.assert_allclose(
            decode(path.read_bytes()).pixels, shown, atol=1e-3, err_msg=path.name
        )
        compared.append(path.name)
    assert len(compared) >= 25


def test_a_big_endian_palette_gives_the_same_picture(folder: Path) -> None:
    little, big, frames = (
        decode((folder / f"OBXXXX1A{name}.dcm").read_bytes()).pixels
        for name in ("", "_expb", "_rle_2frame")
    )
    np.testing.assert_array_equal(big, little)
    np.testing.assert_array_equal(frames, little)


@pytest.mark.parametrize("name", ["OBXXXX1A.dcm", "TestPattern_Palette_16.dcm"])
def test_palettes_are_the_luma_of_pydicoms_colours(name, folder: Path) -> None:
    dataset = pydicom.dcmread(folder / name)
    rgb = apply_color_lut(by_pydicom(folder / name), dataset)
    luma = rgb @ np.array([0.299, 0.587, 0.114]) / 65535
    radiograph = decode((folder / name).read_bytes())
    np.testing.assert_allclose(radiograph.pixels, luma, atol=1e-6)
    assert "The picture has colour; a chest X-ray is grey." in radiograph.warnings


def test_the_table_in_the_documents_is_what_the_command_prints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["dicom_files", str(folder)])
    dicom_files.main()
    assert capsys.readouterr().out in (ROOT / "docs" / "dicom.md").read_text()


def test_overlays_stay_off_the_picture(folder: Path) -> None:
    path = folder / "MR-SIEMENS-DICOM-WithOverlays.dcm"
    dataset = pydicom.dcmread(path)
    assert dataset.overlay_array(0x6000).any()
    values = by_this_reader(path).astype(float)
    centre, width = 450, 790  # its first window, PS3.3 C.11.2.1.2.1
    shown = np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    np.testing.assert_allclose(decode(path.read_bytes()).pixels, shown, atol=1e-6)
