"""A client of a DICOMweb service (PS3.18): films by QIDO-RS and WADO-RS, results by STOW-RS."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset

from pneumonia.errors import BadSetting, PeerRefused, PeerUnreachable
from pneumonia.pacs.tls import Certificates
from pneumonia.phrases import phrase

_Answer = TypeVar("_Answer")
_AT_ONCE = 100
"""Matches asked for in one request."""


class DicomWeb:
    """One service.

    Parameters
    ----------
    url
        Of the service's root, such as ``https://pacs.example/dicom-web``.
    authorization
        What stands in the Authorization header; empty: nothing.

    Raises
    ------
    BadSetting
        For an address that is none.
    """

    def __init__(
        self, url: str, authorization: str, timeout_s: float, certificates: Certificates
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadSetting(
                f"The DICOMweb address is {url!r}; it must begin with http:// or https:// "
                "and hold no user or password: those go into PNEUMONIA_DICOMWEB_AUTHORIZATION."
            )
        self.host = parts.hostname
        session = requests.Session()
        session.trust_env = False  # no proxies and passwords but those of our settings
        session.verify = certificates.authorities or True
        if certificates.own:
            session.cert = (certificates.own, certificates.key or certificates.own)
        headers = {"Authorization": authorization} if authorization else None
        self._client: Any = DICOMwebClient(
            url, session=session, headers=headers, timeout=timeout_s, permissive_uid=True
        )
        self._client.set_http_retry_params(retry=False)  # the queue tries again

    def find(self, filters: dict[str, str], limit: int) -> Iterator[tuple[str, str, str]]:
        """Instances that match.

        Parameters
        ----------
        filters
            Attribute keyword -> value, as QIDO-RS matches them.
        limit
            Of the matches.

        Yields
        ------
        UIDs of the study, the series and the instance.

        Raises
        ------
        PeerUnreachable, PeerRefused
        """
        found = 0
        while found < limit:
            count = min(_AT_ONCE, limit - found)
            search = partial(self._client.search_for_instances, search_filters=filters)
            matches = self._ask(phrase("the query"), partial(search, limit=count, offset=found))
            for match in matches:
                dataset = Dataset.from_json(match)
                yield (
                    str(dataset.StudyInstanceUID),
                    str(dataset.SeriesInstanceUID),
                    str(dataset.SOPInstanceUID),
                )
            found += len(matches)
            if len(matches) < count:
                return

    def retrieve(self, study: str, series: str, instance: str) -> bytes:
        """One instance as a DICOM file, in the transfer syntax that it is stored in.

        Raises
        ------
        PeerUnreachable, PeerRefused
        """
        dataset = self._ask(
            phrase("the film"),
            lambda: self._client.retrieve_instance(
                study, series, instance, media_types=(("application/dicom", "*"),)
            ),
        )
        out = io.BytesIO()
        dataset.save_as(out, enforce_file_format=True)
        return out.getvalue()

    def store(self, objects: Sequence[Dataset]) -> None:
        """Store results, all or none of them told as stored.

        Raises
        ------
        PeerUnreachable, PeerRefused
        """
        answer = self._ask(phrase("a result"), lambda: self._client.store_instances(objects))
        if failed := answer.get("FailedSOPSequence"):
            reason = failed[0].get("FailureReason", 0)
            raise PeerRefused(f"{self.host} refused a result with the reason 0x{reason:04X}.")

    def _ask(self, what: str, request: Callable[[], _Answer]) -> _Answer:
        try:
            return request()
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "?"
            if status in (502, 503, 504):
                raise self._silent() from None
            raise PeerRefused(f"{self.host} refused {what} with HTTP status {status}.") from None
        except requests.RequestException:
            raise self._silent() from None

    def _silent(self) -> PeerUnreachable:
        return PeerUnreachable(f"{self.host} does not answer. It is tried again.")
