"""A DICOM receiver: C-ECHO and C-STORE (PS3.4 B), every film through :class:`Intake`."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom import sop_class as sop
from pynetdicom.pdu import P_DATA_TF

from pneumonia.errors import BadSetting, FileTooLarge, ImageError, StorageUnavailable
from pneumonia.imaging.transfer_syntax import COMPRESSED, DEFLATED, UNCOMPRESSED
from pneumonia.pacs.intake import Intake, Taken
from pneumonia.pacs.tls import Certificates
from pneumonia.records import Source

STORAGE_CLASSES: Final = (
    sop.ComputedRadiographyImageStorage,
    sop.DigitalXRayImageStorageForPresentation,
    sop.DigitalXRayImageStorageForProcessing,
    sop.SecondaryCaptureImageStorage,
    sop.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    sop.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    sop.MultiFrameTrueColorSecondaryCaptureImageStorage,
)
"""As which a chest film comes; other kinds of object are not accepted at all."""
TRANSFER_SYNTAXES: Final = (*UNCOMPRESSED, DEFLATED, *sorted(COMPRESSED))

SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
CLASS_NOT_SUPPORTED: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000

_PDU_BYTES: Final = 65_536
"""The largest that is asked for; no peer's word on a PDU's length is believed beyond sixteen."""
_COMMAND_BYTES: Final = 16_384
_COMMENT_LENGTH: Final = 64  # Error Comment (0000,0902) is an LO
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and for whom the receiver listens.

    Attributes
    ----------
    port
        0 takes a free one.
    peers
        AE titles that may call; empty: any.
    associations
        Open at once; more are rejected.
    timeout_s
        Silence after which a connection ends.
    """

    ae_title: str
    host: str
    port: int
    certificates: Certificates
    peers: tuple[str, ...] = ()
    associations: int = 8
    timeout_s: float = 30.0


class Receiver:
    """Listens from its making until :meth:`close`.

    Raises
    ------
    BadSetting
        Where it cannot listen there.
    """

    def __init__(self, intake: Intake, listening: Listening) -> None:
        self._intake = intake
        ae = AE(listening.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = list(listening.peers)
        ae.maximum_associations = listening.associations
        ae.maximum_pdu_size = _PDU_BYTES
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = listening.timeout_s
        ae.add_supported_context(sop.Verification)
        for storage_class in STORAGE_CLASSES:
            ae.add_supported_context(storage_class, list(TRANSFER_SYNTAXES))
        try:
            self._server: Any = ae.start_server(
                (listening.host, listening.port),
                block=False,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, _bound_pdus),
                    (evt.EVT_ESTABLISHED, _log_opened),
                    (evt.EVT_REJECTED, _log_rejected),
                    (evt.EVT_PDU_RECV, _Meter(intake.limits.max_bytes).count),
                    (evt.EVT_C_STORE, self._store),
                ],
                ssl_context=listening.certificates.for_listening(),
            )
        except OSError as error:
            raise BadSetting(
                f"Nothing can listen on {listening.host} port {listening.port}: {error.strerror}. "
                "Set PNEUMONIA_DICOM_HOST and PNEUMONIA_DICOM_PORT to an address of this computer "
                "and a port that is free."
            ) from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def close(self) -> None:
        """Stop listening, and abort what is open."""
        self._server.shutdown()

    def _store(self, event: Any) -> Dataset:
        """Answer one C-STORE request; whatever happens, with a status."""
        request = event.request
        if str(request.AffectedSOPClassUID) != str(event.context.abstract_syntax):
            return _status(CLASS_NOT_SUPPORTED, "Not the SOP class of this presentation context")
        peer = event.assoc.requestor
        title = str(peer.ae_title).strip()
        try:
            if isinstance(request.DataSet, _Nowhere):
                raise FileTooLarge(_too_large(self._intake.limits.max_bytes))
            data = event.encoded_dataset()
            taken = self._intake.take(data, Source.C_STORE, title, str(peer.address or ""))
        except StorageUnavailable as error:
            return _status(OUT_OF_RESOURCES, error.title)
        except FileTooLarge as error:
            log.warning("a film from %s was refused: %s", title, error)
            return _status(OUT_OF_RESOURCES, error.title)
        except ImageError as error:
            log.warning("a film from %s was refused: %s", title, error)
            return _status(CANNOT_UNDERSTAND, error.title)
        except Exception:
            log.exception("a film from %s could not be taken", title)
            return _status(PROCESSING_FAILURE, "The receiver made a mistake and logged it")
        if taken is Taken.OWN_RESULT:
            log.warning("%s sent a result of this reader back; it is not read", title)
        return _status(SUCCESS)


def _status(code: int, comment: str = "") -> Dataset:
    status = Dataset()
    status.Status = code
    if comment:
        status.ErrorComment = comment[:_COMMENT_LENGTH]
    return status


def _too_large(limit: int) -> str:
    return f"The object is larger than {limit / 2**20:g} MB, the largest that is taken."


# --- bounds that the library has not --------------------------------------------------------------


class _Nowhere(io.BytesIO):
    """Takes the rest of an object that is too large, and keeps nothing of it."""

    def write(self, data: Any) -> int:
        return len(data)


class _Meter:
    """Counts the bytes of each message while it arrives; beyond the limit they go nowhere.

    So the association lives, and the sender gets a status for the one object.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def count(self, event: Any) -> None:
        if not isinstance(event.pdu, P_DATA_TF):
            return
        association = event.assoc
        command, dataset = getattr(association, "received_bytes", (0, 0))
        for item in event.pdu.presentation_data_value_items:
            header, length = item.data[0], len(item.data) - 1
            if header & 1:
                command += length
            else:
                dataset += length
                if dataset > self._limit:
                    _discard(association.dimse.message)
                if header & 2:  # the last of the object
                    command = dataset = 0
        association.received_bytes = command, dataset
        # We answer each object before the next (no asynchronous operations): nobody sends ahead.
        if command > _COMMAND_BYTES or association.dimse.msg_queue.qsize() > 1:
            association.abort()


def _discard(message: Any) -> None:
    if message is not None and not isinstance(message.data_set, _Nowhere):
        message.data_set = _Nowhere()


def _bound_pdus(event: Any) -> None:
    """Read no PDU that says it is larger than any that was asked for: it could be 4 GB."""
    sock = event.assoc.dul.socket
    read: Callable[[int], bytearray] = sock.recv

    def recv(length: int) -> bytearray:
        if length > 16 * _PDU_BYTES:
            raise OSError(f"a PDU of {length} bytes")
        return read(length)

    sock.recv = recv


def _log_opened(event: Any) -> None:
    log.info("association with %s", str(event.assoc.requestor.ae_title).strip())


def _log_rejected(event: Any) -> None:
    peer = event.assoc.requestor
    log.warning(
        "association rejected: %r at %s called %r",
        str(peer.ae_title).strip()[:16],
        peer.address,
        str(event.assoc.requestor.primitive.called_ae_title).strip()[:16],
    )
