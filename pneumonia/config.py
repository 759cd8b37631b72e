"""Settings: frozen, typed, each documented in ``docs/configuration.md`` (a test compares them).

The only reader of ``os.environ`` in the project.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pneumonia.errors import BadSetting

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "PNEUMONIA_"
DEVICES = ("auto", "cpu", "cuda")
ENGINES = ("auto", "torch", "openvino")
LOG_FORMATS = ("text", "json")
ACCOUNTS = ("local", "required")
ROLES = ("reader", "reviewer", "administrator")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104  # nosec B104  # told apart
_AE_TITLE = re.compile(r"(?! )[ -\[\]-~]{1,16}(?<! )")
_HOST = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[?[0-9A-Fa-f:.]+\]?")


def _setting(default: Any, help: str, *, low: float | None = None, variable: str = "") -> Any:
    return field(default=default, metadata={"help": help, "low": low, "variable": variable})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a deployment can turn. Field ``x_y`` is the variable ``PNEUMONIA_X_Y``."""

    data_dir: Path = _setting(ROOT / "var", "Folder for the database, the films and the secret key")
    database_url: str = _setting("", "SQLAlchemy URL; empty: SQLite in the data folder")
    models_dir: Path = _setting(ROOT / "models", "Folder that holds the model bundles")
    model: str = _setting("default", "Id of the bundle in the models folder that is served")
    operating_point: str = _setting(
        "balanced",
        "Which of the bundle's operating points decides: screening, balanced or confirming",
    )
    device: str = _setting("auto", "auto (a GPU if there is one), cpu or cuda")
    engine: str = _setting(
        "auto",
        "What runs the networks: auto (the fastest that agrees with torch), torch or openvino",
    )
    engines_dir: str = _setting(
        "", "Folder of networks converted for OpenVINO; empty: engines in the data folder"
    )
    threads: int = _setting(0, "CPU threads of one forward pass; 0: as many as cores", low=0)
    secret_key: str = _setting("", "Signs sessions and forms; empty: made once in the data folder")
    film_key_file: str = _setting(
        "", "File of the keys that films are encrypted by, one a line, the first seals; empty: none"
    )
    max_upload_bytes: int = _setting(50 * 2**20, "Largest upload accepted, bytes", low=1024)
    max_pixels: int = _setting(40_000_000, "Largest image accepted, pixels", low=4096)
    max_batch: int = _setting(8, "Films analysed together at most", low=1)
    queue_size: int = _setting(64, "Films that may wait for analysis; more are refused", low=1)
    uploads_at_once: int = _setting(32, "Uploads in work or waiting; more are refused", low=1)
    longest_wait_s: float = _setting(
        4.0, "Seconds an upload may wait; what would wait longer is refused", low=0.1
    )
    analysis_timeout_s: float = _setting(
        15.0, "Seconds the network may take; then it counts as hung", low=0.1
    )
    rate_limit: str = _setting("600 per minute", "Uploads per client address; empty: no limit")
    keep_days: int = _setting(0, "Days a reading is kept; 0: until somebody deletes it", low=0)
    keep_dicom_study: bool = _setting(
        False, "Keep whose film a DICOM file is, to offer results for its study: yes or no"
    )
    accession_as_reference: bool = _setting(
        False,
        "Take the reference of a DICOM film from its Accession Number where the sender gives none: "
        "yes or no",
    )
    trusted_hosts: str = _setting(
        "", "Names this server is called by, commas between, beside HOST and this computer's own"
    )
    proxies: int = _setting(0, "Trusted reverse proxies in front (X-Forwarded-For)", low=0)
    trusted_proxies: str = _setting(
        "127.0.0.0/8, ::1", "Addresses and networks the nearest of these proxies connects from"
    )
    metrics_from: str = _setting(
        "127.0.0.0/8, ::1", "Addresses and networks that may ask for /metrics; empty: nobody"
    )
    log_format: str = _setting("text", "text, or json: one object a line")
    accounts: str = _setting(
        "local", "local (one person on this computer, without log-in) or required"
    )
    session_idle_minutes: int = _setting(
        60, "Minutes without a request after which a log-in ends", low=1
    )
    session_hours: int = _setting(12, "Hours after which a log-in ends in any case", low=1)
    oidc_issuer: str = _setting(
        "", "Address of the clinic's sign-in service (OpenID Connect); empty: none"
    )
    oidc_client_id: str = _setting("", "What this reader is called there")
    oidc_client_secret: str = _setting("", "Its secret there")
    oidc_name_claim: str = _setting(
        "preferred_username", "Claim that holds a person's name for the log-in"
    )
    oidc_role_claim: str = _setting(
        "", "Claim that gives the role; empty: administrators give it, to who was added before"
    )
    oidc_roles: str = _setting(
        "", "What that claim's values give, commas between, such as radiology=reviewer"
    )
    ae_title: str = _setting("PNEUMONIA", "AE title that flask listen answers to and sends as")
    dicom_host: str = _setting("127.0.0.1", "Address flask listen listens on")
    dicom_port: int = _setting(11112, "Port flask listen listens on", low=1)
    dicom_peers: str = _setting(
        "", "AE titles that may send films, commas between; empty: any, on this computer only"
    )
    dicom_associations: int = _setting(8, "Associations open at once; more are rejected", low=1)
    dicom_timeout_s: float = _setting(
        30.0, "Seconds another system may stay silent; then the connection ends", low=1
    )
    dicom_tls_certificate: str = _setting(
        "", "PEM file of this reader's certificate; empty: DICOM without TLS"
    )
    dicom_tls_key: str = _setting("", "PEM file of its key; empty: in the certificate's file")
    dicom_tls_ca: str = _setting(
        "", "PEM file of authorities: who sends films by TLS needs a certificate of theirs"
    )
    results_to: str = _setting(
        "", "Where results go: dicom://AE@HOST:PORT, dicoms:// (TLS) or a DICOMweb URL; empty: none"
    )
    dicomweb_url: str = _setting("", "DICOMweb service that flask fetch asks")
    dicomweb_authorization: str = _setting(
        "", "Authorization header for DICOMweb, such as Bearer TOKEN"
    )
    host: str = _setting("127.0.0.1", "Address gunicorn listens on", variable="HOST")
    port: int = _setting(8000, "Port gunicorn listens on", low=0, variable="PORT")

    @property
    def is_local(self) -> bool:
        """Whether it is for one person on this computer, without accounts."""
        return self.accounts == "local"

    @property
    def session_limits(self) -> tuple[timedelta, timedelta]:
        """How long a log-in lasts: without any request, and in all."""
        return timedelta(minutes=self.session_idle_minutes), timedelta(hours=self.session_hours)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that a request may ask for; one that starts with a dot stands for all below.

        Raises
        ------
        BadSetting
        """
        own = () if self.host in _WILDCARDS else (self.host,)
        names = (*LOCAL_HOSTS, *own, *_split(self.trusted_hosts))
        for name in names:
            if not _HOST.fullmatch(name):
                raise BadSetting(
                    f"{PREFIX}TRUSTED_HOSTS has {name!r}; it must be names or addresses without "
                    "port or scheme, such as reader.clinic.example, 192.168.1.5"
                )
        return tuple(name.lower().strip("[]") for name in names)

    @property
    def oidc_role_of(self) -> dict[str, str]:
        """Value of the claim -> role. Raises BadSetting."""
        pairs = [part.strip() for part in self.oidc_roles.split(",") if part.strip()]
        found = {key.strip(): role.strip() for key, _, role in (p.rpartition("=") for p in pairs)}
        if any(not key or role not in ROLES for key, role in found.items()):
            raise BadSetting(
                f"{PREFIX}OIDC_ROLES is {self.oidc_roles!r}; it must read like "
                f"radiology=reviewer, it=administrator. Roles: {', '.join(ROLES)}."
            )
        return found

    @property
    def peer_titles(self) -> tuple[str, ...]:
        """AE titles that may send films; empty: any.

        Raises
        ------
        BadSetting
        """
        titles = [part.strip() for part in self.dicom_peers.split(",") if part.strip()]
        for name, title in (("AE_TITLE", self.ae_title), *(("DICOM_PEERS", t) for t in titles)):
            if not _AE_TITLE.fullmatch(title):
                raise BadSetting(
                    f"{PREFIX}{name} has {title!r}; an AE title has 1 to 16 characters of ASCII, "
                    "without a backslash, and no space before or after."
                )
        return tuple(titles)

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises BadSetting."""
        return _networks("TRUSTED_PROXIES", self.trusted_proxies)

    @property
    def metrics_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises BadSetting."""
        return _networks("METRICS_FROM", self.metrics_from)

    @property
    def conversions_dir(self) -> Path:
        """Where networks that were converted for an engine are kept; losing them costs time."""
        return Path(self.engines_dir) if self.engines_dir else self.data_dir / "engines"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'pneumonia.sqlite3'}"

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment variable -> field name, in the order of the class."""
        return {f.metadata["variable"] or PREFIX + f.name.upper(): f.name for f in fields(cls)}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the environment.

        Raises
        ------
        BadSetting
            For a value of the wrong type or range, or a ``PNEUMONIA_`` variable that is not known.
        """
        environ = os.environ if environ is None else environ
        variables = cls.variables()
        unknown = sorted(k for k in environ if k.startswith(PREFIX) and k not in variables)
        if unknown:
            raise BadSetting(
                f"Unknown setting {', '.join(unknown)}. Known: {', '.join(variables)}."
            )
        types = {f.name: f for f in fields(cls)}
        values = {
            name: _parse(variable, environ[variable], types[name])
            for variable, name in variables.items()
            if variable in environ
        }
        return cls(**(values | overrides))

    def check_receiver(self) -> None:
        """Refuse to take films from whoever finds the port.

        Raises
        ------
        BadSetting
        """
        if not self.peer_titles and not _is_loopback(self.dicom_host):
            raise BadSetting(
                f"{PREFIX}DICOM_HOST is {self.dicom_host!r}, which other computers can reach, and "
                f"{PREFIX}DICOM_PEERS is empty: anybody could send. Name the AE titles that may, "
                "such as PACS, CR_ROOM_2."
            )

    def __post_init__(self) -> None:
        for name, known in (
            ("device", DEVICES),
            ("engine", ENGINES),
            ("log_format", LOG_FORMATS),
            ("accounts", ACCOUNTS),
        ):
            if (value := getattr(self, name)) not in known:
                raise BadSetting(
                    f"{PREFIX}{name.upper()} is {value!r}; it must be one of {', '.join(known)}."
                )

        self._check_sign_in()

    def _check_sign_in(self) -> None:
        """Raises BadSetting for a sign-in service that cannot be asked, or not be trusted."""
        if not self.oidc_issuer:
            return
        issuer = urlsplit(self.oidc_issuer)
        is_safe = issuer.scheme == "https" or _is_loopback(issuer.hostname or "")
        is_known = self.oidc_client_id and self.oidc_client_secret
        if not issuer.hostname or not is_safe or not is_known or self.is_local:
            raise BadSetting(
                f"{PREFIX}OIDC_ISSUER is {self.oidc_issuer!r}: it must be an address that begins "
                f"with https://, and needs {PREFIX}OIDC_CLIENT_ID, {PREFIX}OIDC_CLIENT_SECRET and "
                f"{PREFIX}ACCOUNTS=required."
            )
        if bool(self.oidc_role_claim) is not bool(self.oidc_role_of):
            raise BadSetting(
                f"{PREFIX}OIDC_ROLE_CLAIM and {PREFIX}OIDC_ROLES belong together: set both or none."
            )

    def check_served(self) -> None:
        """Refuse to listen for others without a log-in. Commands do not care what HOST is.

        Raises
        ------
        BadSetting
        """
        if self.is_local and (self.proxies or not _is_loopback(self.host)):
            raise BadSetting(
                f"{PREFIX}ACCOUNTS is local, which lets in whoever sits at this computer without "
                f"a log-in, but HOST is {self.host!r} and {PREFIX}PROXIES is {self.proxies}: "
                f"others could reach it. Set {PREFIX}ACCOUNTS=required, or leave both as they are."
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part) for part in _split(text))
    except ValueError as error:
        raise BadSetting(
            f"{PREFIX}{name} cannot be used: {error}. It must be addresses or networks with "
            "commas between, such as 10.0.0.2, 172.18.0.0/16."
        ) from None


def _parse(variable: str, text: str, spec: Any) -> Any:
    kind = type(spec.default) if not isinstance(spec.default, Path) else Path
    try:
        value = _YES_NO[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise BadSetting(f"{variable} is {text!r}; it must be a {_KINDS[kind]}.") from None
    low = spec.metadata["low"]
    if low is not None and not value >= low:
        raise BadSetting(f"{variable} is {text!r}; it must be at least {low:g}.")
    return value


_KINDS = {int: "whole number", float: "number", str: "text", Path: "path", bool: "plain yes or no"}
_YES_NO = {"yes": True, "no": False}
