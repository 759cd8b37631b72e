"""The film of Jane Doe, who does not exist, and what is found on it."""

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from pneumonia.analysis.finding import (
    ActivationMap,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    Quality,
)
from pneumonia.imaging.preprocess import Geometry
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.dicom_files import encode_dicom

SHA256 = "ab" * 32
STUDY = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
    "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.2",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.3",
    "StudyDate": "20240229",
    "StudyTime": "235959",
    "StudyID": "S-1",
    "AccessionNumber": "A-17",
    "PatientName": "Doe^Jane",
    "PatientID": "ID-4711",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "ReferringPhysicianName": "Roe^Richard",
    "Modality": "DX",
}
POINT = "operating point balanced: pneumonia from 0.6384, indeterminate from 0.3000 to 0.7000"
FILM = synthetic_radiograph(5, opacity=True, size=(256, 224))
FINDING = Finding(
    label=Label.PNEUMONIA,
    probability=0.8765,
    logit=1.9,
    operating_point=OperatingPoint("balanced", 0.6384, (0.3, 0.7)),
    model=ModelRef("default", SHA256),
    quality=Quality(True, ("The contrast is low.",)),
    activation=ActivationMap(
        np.ones((7, 7), np.float32), 1.0, Geometry(224, 256, (0, 0, 224, 256))
    ),
)


def film(syntax: str = "explicit", **attributes: Any) -> bytes:
    return encode_dicom(FILM, syntax, **(STUDY | attributes))


def opened(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def texts(dataset: Dataset) -> list[str]:
    """Every content item of a report, as "name = value"."""
    found = []
    for item in dataset.get("ContentSequence", []):
        name = item.ConceptNameCodeSequence[0].CodeMeaning
        match item.ValueType:
            case "TEXT":
                found.append(f"{name} = {item.TextValue}")
            case "CODE":
                found.append(f"{name} = {item.ConceptCodeSequence[0].CodeMeaning}")
            case "NUM":
                value = item.MeasuredValueSequence[0]
                unit = value.MeasurementUnitsCodeSequence[0].CodeValue
                found.append(f"{name} = {value.NumericValue} {unit}")
        found += texts(item)
    return found
