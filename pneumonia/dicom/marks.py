"""What all results have in common: their UIDs, who made them, and that they are no diagnosis."""

from typing import Final

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from pneumonia import __version__
from pneumonia.analysis.finding import Finding, PopulationMatch

NOTICE: Final = "Made by AI. Not for diagnosis."
MAKER: Final = "Pneumonia, an open chest X-ray reader"


def is_outside(finding: Finding) -> bool:
    """Whether the film is of none that the model knows (ADR 0026): no verdict goes out then."""
    return finding.population_match is PopulationMatch.NO


def make_uid(study: Dataset, finding: Finding, what: str) -> str:
    """The same for the same film, model and operating point: a PACS keeps it once."""
    point = finding.operating_point
    sources = [study.SOPInstanceUID, finding.model.sha256, point.name, f"{finding.logit!r}", what]
    return str(generate_uid(entropy_srcs=sources))


def make_equipment(finding: Finding) -> hd.ContributingEquipment:
    return hd.ContributingEquipment(
        MAKER,
        codes.DCM.ProcessingEquipment,
        manufacturer_model_name=finding.model.id,
        software_versions=[__version__, finding.model.sha256],
        contribution_description=f"{NOTICE} Weights SHA-256 {finding.model.sha256}",
    )
