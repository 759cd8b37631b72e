"""Where the map is hot, as a DICOM segmentation on the film's own pixels (ADR 0047)."""

from functools import partial
from typing import Any, Final

import highdicom as hd
import numpy as np
from highdicom import seg
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import Code, codes

from pneumonia import __version__
from pneumonia.analysis.finding import Finding
from pneumonia.dicom.marks import MAKER, NOTICE, make_equipment, make_uid
from pneumonia.imaging.bands import bands
from pneumonia.imaging.dicom_facts import is_mirrored
from pneumonia.readings import marks_region

UPPER_QUARTER: Final = 0.75
"""Of the map's maximum on the film: the part that ``flask evaluate`` holds against boxes."""

_LABEL: Final = "Hottest quarter of the map"
# No code of a lesion: it is where the map is hot, which is not where the disease ends.
_SPATIAL: Final = Code("309825002", "SCT", "Spatial and Relational Concept")
_HOTTEST: Final = Code("HOTTEST_QUARTER", "99PNEUMONIA", "Hottest quarter of an activation map")
_LUNG: Final = Code("39607008", "SCT", "Lung structure")


def make_segmentation(study: Dataset, finding: Finding) -> Dataset | None:
    """A binary segmentation of one segment; None where there is nothing to mark.

    It has the size of the picture as it is stored, so that it lies on it pixel by pixel.

    Parameters
    ----------
    study
        What :func:`pneumonia.imaging.dicom.read_study` reads of the film.
    """
    if not marks_region(finding):
        return None
    region = _region(finding)
    if not region.any():
        return None
    # Back to the pixels as they are stored: the film was turned, or unmirrored, to be read.
    turned = int(study.get("ImageRotation") or 0)
    region = np.rot90(region, turned // 90)
    if is_mirrored(study):
        region = region[:, ::-1]
    uid = partial(make_uid, study, finding)
    study.Rows, study.Columns = region.shape
    segmentation: Any = seg.Segmentation(
        [study],
        np.ascontiguousarray(region),
        seg.SegmentationTypeValues.BINARY,
        [_describe(finding, uid("segment"))],
        series_instance_uid=uid("segmentation, series"),
        series_number=9003,
        sop_instance_uid=uid("segmentation"),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=finding.model.id,
        software_versions=[__version__, finding.model.sha256],
        device_serial_number=finding.model.sha256[:16],
        content_label="AI_MAP",
        content_description=f"{_LABEL}. {NOTICE}",
        contributing_equipment=[make_equipment(finding)],
        series_description=f"{_LABEL}. {NOTICE}",
    )
    # Of type 2C where the frame of reference is not known: as the film has it, or empty.
    segmentation.PatientOrientation = study.get("PatientOrientation")
    return segmentation


def _describe(finding: Finding, tracking_uid: str) -> seg.SegmentDescription:
    return seg.SegmentDescription(
        1,
        _LABEL,
        segmented_property_category=_SPATIAL,
        segmented_property_type=_HOTTEST,
        algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            f"Pneumonia, model {finding.model.id}",
            codes.DCM.ArtificialIntelligence,
            finding.model.sha256,
        ),
        tracking_uid=tracking_uid,
        tracking_id="Pneumonia map",
        anatomic_regions=[_LUNG],
    )


def _region(finding: Finding) -> NDArray[np.uint8]:
    """uint8 (height, width) of the film as read: 1 from three quarters of the map's maximum on."""
    activation = finding.activation
    geometry = activation.geometry
    parts = list(bands(geometry.height, geometry.width))
    hottest = max(float(geometry.to_radiograph(activation.values, rows).max()) for rows in parts)
    region = np.zeros((geometry.height, geometry.width), np.uint8)
    if hottest > 0:
        for rows in parts:
            hot = geometry.to_radiograph(activation.values, rows) >= UPPER_QUARTER * hottest
            region[rows] = hot
    return region
