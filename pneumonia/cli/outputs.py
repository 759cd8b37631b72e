"""What ``flask predict`` writes beside its rows: pictures, and DICOM for the film's own study."""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pneumonia.analysis.finding import Finding
from pneumonia.errors import BadParameter, StorageUnavailable
from pneumonia.imaging import Radiograph
from pneumonia.imaging.display import encode_png, to_display
from pneumonia.readings import DEFAULT_OPACITY, overlay, upright


class Outputs:
    """A picture and DICOM objects for each film that was read; each kind where it has a folder.

    Raises
    ------
    BadParameter
        When a folder cannot be made.
    """

    def __init__(
        self, files: Sequence[Path], overlay_dir: Path | None, dicom_dir: Path | None
    ) -> None:
        self._overlay_dir, self._dicom_dir = overlay_dir, dicom_dir
        self._names = dict(zip(files, distinct_names(files), strict=True))
        for folder, what in ((overlay_dir, "overlays"), (dicom_dir, "DICOM results")):
            if folder is not None:
                _make_folder(folder, what)

    def write(self, file: Path, data: bytes, radiograph: Radiograph, finding: Finding) -> None:
        """Raises StorageUnavailable, and DamagedImage for a DICOM film that is of no study.

        Parameters
        ----------
        data
            The file that was read.
        """
        is_dicom = self._dicom_dir is not None and radiograph.format == "DICOM"
        if self._overlay_dir is None and not is_dicom:
            return
        film = to_display(upright(radiograph, finding).pixels)
        name = self._names[file]
        if self._overlay_dir is not None:
            picture = overlay(film, finding, DEFAULT_OPACITY)
            _write(self._overlay_dir / f"{name}.overlay.png", encode_png(picture))
        if self._dicom_dir is not None and is_dicom:
            # highdicom is slow to import: not before there is something to write.
            from pneumonia.dicom.results import make_results

            results = make_results(data, film, finding)
            _write(self._dicom_dir / f"{name}.sc.dcm", results.secondary_capture)
            _write(self._dicom_dir / f"{name}.sr.dcm", results.report)
            if results.segmentation is not None:
                _write(self._dicom_dir / f"{name}.seg.dcm", results.segmentation)


def distinct_names(files: Sequence[Path]) -> list[str]:
    """A name for what is written of each film; films of one name get a mark made of their path."""
    count = Counter(file.name for file in files)
    return [
        file.name
        if count[file.name] == 1
        else f"{file.name}.{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"
        for file in files
    ]


def _make_folder(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadParameter(f"The {what} cannot go to {folder}: {error.strerror}.") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()  # On a full disk, half a file.
        what = "overlay" if path.suffix == ".png" else "DICOM result"
        raise StorageUnavailable(
            f"The {what} {path} cannot be written: {error.strerror}. "
            "Mend that, or choose another folder."
        ) from None
