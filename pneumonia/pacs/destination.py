"""Where results go: a PACS by C-STORE, or a DICOMweb service by STOW-RS."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage, Verification

from pneumonia.errors import BadSetting, PeerRefused, PeerUnreachable
from pneumonia.pacs.dicomweb import DicomWeb
from pneumonia.pacs.tls import Certificates
from pneumonia.phrases import phrase

Send = Callable[[Sequence[Dataset]], None]
"""Stores objects one after the other. Raises PeerUnreachable, PeerRefused."""
_DICOM, _DICOM_TLS = "dicom", "dicoms"
_WARNINGS = (0xB000, 0xB006, 0xB007)  # stored all the same (PS3.4 B.2.3)
log = logging.getLogger(__name__)


class Destination(Protocol):
    """Where results go.

    Attributes
    ----------
    name
        What people call it; it says nothing that a log-in needs.
    """

    @property
    def name(self) -> str: ...

    def connect(self) -> AbstractContextManager[Send]:
        """Open a connection for the block. Raises PeerUnreachable, PeerRefused."""


def parse_destination(
    url: str, ae_title: str, timeout_s: float, certificates: Certificates, authorization: str
) -> Destination | None:
    """The destination that a setting names; None for an empty one.

    Parameters
    ----------
    url
        ``dicom://AE_TITLE@HOST:PORT``, ``dicoms://...`` by TLS, or a DICOMweb service's address.
    ae_title
        Our own.

    Raises
    ------
    BadSetting
    """
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return WebDestination(DicomWeb(url, authorization, timeout_s, certificates))
    try:
        port = parts.port
    except ValueError:
        port = None
    is_known = parts.scheme in (_DICOM, _DICOM_TLS)
    title = unquote(parts.username or "")
    if not (is_known and parts.hostname and port and 0 < len(title) <= 16):
        raise BadSetting(
            f"PNEUMONIA_RESULTS_TO is {url!r}; it must be dicom://AE_TITLE@HOST:PORT, the same "
            "with dicoms:// for TLS, or the http(s) address of a DICOMweb service."
        )
    tls = certificates if parts.scheme == _DICOM_TLS else None
    return Pacs(title, parts.hostname, port, ae_title, timeout_s, tls)


@dataclass(frozen=True, slots=True)
class Pacs:
    """A DICOM node that stores.

    Attributes
    ----------
    name
        Its AE title.
    ae_title
        Ours.
    timeout_s
        For connecting, and for each answer.
    tls
        Certificates where it speaks TLS.
    """

    name: str
    host: str
    port: int
    ae_title: str
    timeout_s: float
    tls: Certificates | None = None

    def verify(self) -> None:
        """C-ECHO. Raises PeerUnreachable, PeerRefused."""
        with self._association() as association:
            self._check(association.send_c_echo(), "C-ECHO")

    @contextmanager
    def connect(self) -> Iterator[Send]:
        """One association for all objects of the block."""
        with self._association() as association:

            def send(objects: Sequence[Dataset]) -> None:
                for dataset in objects:
                    try:
                        status = association.send_c_store(dataset)
                    except RuntimeError:  # the association is over
                        raise self._silent() from None
                    except ValueError:
                        what = dataset.file_meta.MediaStorageSOPClassUID.name
                        raise PeerRefused(
                            f"{self.name} accepts no {what}. Let its administrator allow this "
                            "storage class."
                        ) from None
                    self._check(status, phrase("a result"))

            yield send

    @contextmanager
    def _association(self) -> Iterator[Any]:
        ae = AE(self.ae_title)
        ae.connection_timeout = ae.acse_timeout = self.timeout_s
        ae.dimse_timeout = ae.network_timeout = self.timeout_s
        for kind in (Verification, SecondaryCaptureImageStorage, ComprehensiveSRStorage):
            ae.add_requested_context(kind)
        tls_args = (self.tls.for_connecting(), self.host) if self.tls else None
        association = ae.associate(self.host, self.port, ae_title=self.name, tls_args=tls_args)
        if association.is_rejected:
            raise PeerRefused(
                f"{self.name} at {self.host}:{self.port} rejected the association. Let its "
                f"administrator add {self.ae_title} to the systems that it knows."
            )
        if not association.is_established:
            raise self._silent()
        try:
            yield association
        finally:
            association.release()

    def _check(self, status: Dataset, what: str) -> None:
        if "Status" not in status:
            raise self._silent()
        if status.Status not in (0x0000, *_WARNINGS):
            raise PeerRefused(f"{self.name} refused {what} with status 0x{status.Status:04X}.")

    def _silent(self) -> PeerUnreachable:
        return PeerUnreachable(
            f"{self.name} does not answer at {self.host}:{self.port}. It is tried again."
        )


@dataclass(frozen=True, slots=True)
class WebDestination:
    """A DICOMweb service that stores."""

    service: DicomWeb

    @property
    def name(self) -> str:
        return self.service.host

    @contextmanager
    def connect(self) -> Iterator[Send]:
        """Each object of the block is a request of its own."""
        yield self.service.store
