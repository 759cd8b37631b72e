"""A reading of a DICOM film as DICOM: a picture with the map, its hottest part, and a report.

All lie in the study of the film, and say that they are AI-made and not for diagnosis. They name
the patient as the film does: whoever calls this has the film at hand, and nothing is kept here.
"""

import io
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import cv2
import highdicom as hd
import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import Code, codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pneumonia import __version__
from pneumonia.analysis.finding import Finding, Label
from pneumonia.dicom.marks import MAKER, NOTICE, is_outside, make_equipment, make_uid
from pneumonia.dicom.segmentation import make_segmentation
from pneumonia.errors import DamagedImage
from pneumonia.imaging.dicom import read_study
from pneumonia.imaging.dicom_facts import is_mirrored
from pneumonia.presentation.describe import percent
from pneumonia.presentation.location import say_location
from pneumonia.readings import DEFAULT_OPACITY, overlay

_PNEUMONIA: Final = Code("233604007", "SCT", "Pneumonia")
_LUNG: Final = Code("39607008", "SCT", "Lung structure")
_CHEST_FILM: Final = Code("399208008", "SCT", "Plain chest X-ray")
_INTERPRETATION: Final = Code("363713009", "SCT", "Has interpretation")
_PERCENT: Final = Code("%", "UCUM", "Percent")
_INTERPRETATIONS: Final = {
    Label.PNEUMONIA: Code("52101004", "SCT", "Present"),
    Label.NORMAL: Code("2667000", "SCT", "Absent"),
    Label.INDETERMINATE: Code("82334004", "SCT", "Indeterminate"),
}
_REQUIRED: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TYPE_2: Final = (
    ("PatientID", ""),
    ("PatientName", ""),
    ("PatientBirthDate", ""),
    ("PatientSex", ""),
    ("AccessionNumber", ""),
    ("StudyID", ""),
    ("StudyDate", ""),
    ("StudyTime", ""),
    ("ReferringPhysicianName", ""),
)


@dataclass(frozen=True, slots=True)
class Results:
    """The objects, as DICOM files; no segmentation where no map is shown."""

    secondary_capture: bytes
    report: bytes
    segmentation: bytes | None


def make_results(source: bytes, film: NDArray[np.uint8], finding: Finding) -> Results:
    """A secondary capture, a TID 1500 report and a segmentation for one DICOM film.

    The same film read by the same model gives the same UIDs, so that a PACS does not keep it twice.

    Parameters
    ----------
    source
        The DICOM file that was read, or what :func:`pneumonia.imaging.dicom.extract_study` kept.
    film
        uint8 (height, width): the film as the screen shows it.

    Raises
    ------
    DamagedImage
        Where the file does not say to which study it belongs.
    """
    study = read_study(source)
    missing = [name for name in _REQUIRED if not study.get(name)]
    if missing:
        raise DamagedImage(
            f"The DICOM file has no {' and no '.join(missing)}: there is no study to which a "
            "result could go back. Take the file as the PACS has it."
        )
    for name, empty in _TYPE_2:
        if name not in study:
            setattr(study, name, empty)
    picture = film if is_outside(finding) else overlay(film, finding, DEFAULT_OPACITY)
    capture, report = _secondary_capture(study, picture, finding), _report(study, finding)
    segmentation = make_segmentation(study, finding)
    return Results(_file(capture), _file(report), _file(segmentation) if segmentation else None)


def _file(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def _secondary_capture(study: Dataset, picture: NDArray[np.uint8], finding: Finding) -> Dataset:
    uid = partial(make_uid, study, finding)
    orientation = tuple(study.get("PatientOrientation") or ())
    if is_mirrored(study):
        orientation = ("L", "F")  # as it was read, and is shown
    if study.get("ImageRotation"):
        orientation = ()  # it was turned by hand
    capture: Any = hd.sc.SCImage.from_ref_dataset(
        study,
        _captioned(picture, finding),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=uid("secondary capture, series"),
        series_number=9001,
        sop_instance_uid=uid("secondary capture"),
        instance_number=1,
        manufacturer=MAKER,
        patient_orientation=orientation if len(orientation) == 2 else ("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=[make_equipment(finding)],
        manufacturer_model_name=finding.model.id,
        series_description=f"Pneumonia map. {NOTICE}",
    )
    if len(orientation) != 2:
        capture.PatientOrientation = None  # the film does not say it, and neither do we
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.BodyPartExamined = "CHEST"
    capture.DerivationDescription = f"{NOTICE} {_verdict(finding)}"
    capture.ImageComments = capture.DerivationDescription
    reference = Dataset()
    reference.ReferencedSOPClassUID = study.SOPClassUID
    reference.ReferencedSOPInstanceUID = study.SOPInstanceUID
    capture.SourceImageSequence = [reference]
    if study.get("BurnedInAnnotation"):
        capture.BurnedInAnnotation = study.BurnedInAnnotation
    return capture


def _report(study: Dataset, finding: Finding) -> Dataset:
    uid, outside = partial(make_uid, study, finding), is_outside(finding)
    certainty = sr.Measurement(
        codes.DCM.CertaintyOfFinding, round(100 * finding.probability, 2), _PERCENT
    )
    interpretation = _INTERPRETATIONS[Label.INDETERMINATE if outside else finding.label]
    context = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=generate_uid(entropy_srcs=[finding.model.sha256]),
                name="Pneumonia",
                manufacturer_name=MAKER,
                model_name=finding.model.id,
                serial_number=finding.model.sha256,
            ),
        )
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid("tracking"), "Pneumonia"),
        finding_type=_PNEUMONIA,
        algorithm_id=sr.AlgorithmIdentification(
            name=f"Pneumonia, model {finding.model.id}",
            version=finding.model.sha256,
            parameters=[_threshold(finding)],
        ),
        finding_sites=[sr.FindingSite(_LUNG)],
        measurements=[] if outside else [certainty],
        qualitative_evaluations=[sr.QualitativeEvaluation(_INTERPRETATION, interpretation)],
        source_images=[sr.SourceImageForMeasurementGroup(study.SOPClassUID, study.SOPInstanceUID)],
    )
    content = sr.MeasurementReport(
        observation_context=context,
        procedure_reported=_CHEST_FILM,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )[0]
    location = None if outside else say_location(finding)
    comments = [NOTICE, _verdict(finding), *([location] if location else ())]
    comments += finding.quality.warnings
    for comment in comments:
        content.ContentSequence.append(
            sr.TextContentItem(codes.DCM.Comment, comment, sr.RelationshipTypeValues.CONTAINS)
        )
    report: Any = sr.ComprehensiveSR(
        evidence=[study],
        content=content,
        series_instance_uid=uid("report, series"),
        series_number=9002,
        sop_instance_uid=uid("report"),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=finding.model.id,
        software_versions=[__version__, finding.model.sha256],
        is_complete=True,
        contributing_equipment=[make_equipment(finding)],
        series_description=f"Pneumonia report. {NOTICE}",
    )
    return report


def _threshold(finding: Finding) -> str:
    point = finding.operating_point
    band = point.indeterminate
    said = f", indeterminate from {band[0]:.4f} to {band[1]:.4f}" if band else ""
    return f"operating point {point.name}: pneumonia from {float(point.threshold):.4f}{said}"


def _verdict(finding: Finding) -> str:
    if is_outside(finding):
        return "No verdict: the film lies outside what the model knows."
    probability = percent(finding.probability)
    return (
        f"{finding.label.value.capitalize()}, probability of pneumonia {probability} "
        f"(model {finding.model.id}, operating point {finding.operating_point.name})."
    )


def _captioned(picture: NDArray[np.uint8], finding: Finding) -> NDArray[np.uint8]:
    """RGB, with a band of text below it: whoever prints it has the notice on paper."""
    rgb = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    lines = (NOTICE, _verdict(finding))
    font, width = cv2.FONT_HERSHEY_SIMPLEX, rgb.shape[1]
    thickness = 1 + width // 1500
    widest = max(cv2.getTextSize(line, font, 1, thickness)[0][0] for line in lines)
    scale = 0.94 * width / max(widest, 800)
    height = int(36 * scale) + 1
    band = np.zeros((height * len(lines) + height // 2, width, 3), np.uint8)
    for n, line in enumerate(lines, 1):
        at = (int(0.02 * width), n * height)
        cv2.putText(band, line, at, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return np.ascontiguousarray(np.vstack([rgb, band]))
