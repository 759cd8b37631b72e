"""``python -m benchmarks.dicom_files FOLDER``: each DICOM file beside pydicom's own decoding of it.

Prints the table of docs/dicom.md. The decoders beside ours are Pillow (JPEG, JPEG 2000), pyjpegls
and pydicom's own; where pydicom has none, a file says how far it lies from ``twin``, the same
picture in another syntax.
"""

import sys
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, RLELossless

from pneumonia.errors import ImageError
from pneumonia.imaging import Limits
from pneumonia.imaging.dicom import read_header

TWINS: Final = {
    "CTImage-ts.4.51.dcm": "CTImage-ts.1.dcm",
    "CTImage-ts.4.53.dcm": "CTImage-ts.1.dcm",
    "CTImage-ts.4.55.dcm": "CTImage-ts.1.dcm",
    "CTImage-ts.4.70.dcm": "CTImage-ts.1.dcm",
    "RG2_JPLL.dcm": "RG2_JLSL.dcm",
    "RG2_JPLY.dcm": "RG2_JLSL.dcm",
    "RG2_JPLY_fixed.dcm": "RG2_JLSL.dcm",
    "RG3_JPLL.dcm": "RG3_RLE.dcm",
}


def by_pydicom(path: Path) -> NDArray[Any]:
    """The first frame as stored, by pydicom and a decoder that this reader does not use."""
    dataset = pydicom.dcmread(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    plugin = ""
    if syntax in JPEGLSTransferSyntaxes:
        plugin = "pyjpegls"
    elif syntax in JPEG2000TransferSyntaxes:
        plugin = "pillow"
    elif syntax == RLELossless:
        plugin = "pydicom"
    found: NDArray[Any] = pixel_array(dataset, index=0, decoding_plugin=plugin)
    return found


def by_this_reader(path: Path) -> NDArray[Any]:
    """The first frame as stored. Raises ImageError."""
    limits = Limits()
    return read_header(path.read_bytes(), limits).stored_values(limits)


def distance(path: Path) -> tuple[float, float]:
    """Mean and largest difference to the file's twin, in stored units of the twin."""
    dataset, twin = (pydicom.dcmread(p) for p in (path, path.with_name(TWINS[path.name])))
    ours, theirs = (
        stored * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0))
        for d, stored in ((dataset, by_this_reader(path)), (twin, twin.pixel_array))
    )
    apart = np.abs(ours - theirs)
    return float(apart.mean()), float(apart.max())


def outcome(path: Path) -> str:
    try:
        found = by_this_reader(path)
    except ImageError as error:
        return f"refused: {error}"
    if path.name in TWINS:
        mean, largest = distance(path)
        if not largest:
            return f"read; the pixels of {TWINS[path.name]}"
        return f"read; {mean:.1f} in the mean, {largest:.0f} at most, from {TWINS[path.name]}"
    same = np.array_equal(found, by_pydicom(path))
    return "read; pydicom's pixels" if same else "read; NOT pydicom's pixels"


def main() -> None:
    print("| File | Transfer syntax (0002,0010) | Picture | Outcome |\n|---|---|---|---|")
    for path in sorted(Path(sys.argv[1]).glob("*.dcm")):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        picture = (
            f"{dataset.Columns} x {dataset.Rows}, {dataset.get('BitsStored', 32)} bits, "
            f"{dataset.PhotometricInterpretation}"
        )
        with warnings.catch_warnings(action="ignore"):
            said = outcome(path)
        print(f"| {path.name} | {dataset.file_meta.TransferSyntaxUID.name} | {picture} | {said} |")


if __name__ == "__main__":
    main()
