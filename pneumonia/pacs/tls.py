"""TLS for DICOM, as PS3.15 B.12 (BCP 195) asks: version 1.2 or later, and certificates."""

import ssl
from dataclasses import dataclass

from pneumonia.errors import BadSetting


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files; ``""`` where there is none.

    Attributes
    ----------
    own, key
        This reader's certificate and its key; the key may lie in the certificate's file.
    authorities
        Whose certificates are trusted; empty: those of the operating system.
    """

    own: str = ""
    key: str = ""
    authorities: str = ""

    def for_listening(self) -> ssl.SSLContext | None:
        """None without a certificate: DICOM is then spoken without TLS.

        With authorities given, who connects must show a certificate of theirs.

        Raises
        ------
        BadSetting
        """
        if not self.own:
            return None
        context = self._context(ssl.Purpose.CLIENT_AUTH)
        if self.authorities:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_connecting(self) -> ssl.SSLContext:
        """The other side must be who it is called; ours is shown where there is one.

        Raises
        ------
        BadSetting
        """
        return self._context(ssl.Purpose.SERVER_AUTH)

    def _context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(purpose, cafile=self.authorities or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.own:
                context.load_cert_chain(self.own, self.key or None)
        except OSError as error:  # an SSLError is one
            raise BadSetting(
                f"A file of PNEUMONIA_DICOM_TLS_CERTIFICATE, _KEY or _CA cannot be used: {error}. "
                "Each must be a PEM file that this process may read."
            ) from None
        return context
