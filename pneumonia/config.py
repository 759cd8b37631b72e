"""Settings: frozen, typed, each documented in ``docs/configuration.md`` (a test compares them).

The only reader of ``os.environ`` in the project.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pneumonia.errors import BadSetting

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "PNEUMONIA_"
DEVICES = ("auto", "cpu", "cuda")


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
    threads: int = _setting(0, "CPU threads of one forward pass; 0: as many as cores", low=0)
    secret_key: str = _setting("", "Signs sessions and forms; empty: made once in the data folder")
    max_upload_bytes: int = _setting(50 * 2**20, "Largest upload accepted, bytes", low=1024)
    max_pixels: int = _setting(40_000_000, "Largest image accepted, pixels", low=4096)
    max_batch: int = _setting(8, "Films analysed together at most", low=1)
    queue_size: int = _setting(64, "Films that may wait for analysis; more are refused", low=1)
    analysis_timeout_s: float = _setting(30.0, "Seconds a film may wait for its finding", low=0.1)
    rate_limit: str = _setting("600 per minute", "Uploads per client address; empty: no limit")
    proxies: int = _setting(0, "Trusted reverse proxies in front (X-Forwarded-For)", low=0)
    host: str = _setting("127.0.0.1", "Address gunicorn listens on", variable="HOST")
    port: int = _setting(8000, "Port gunicorn listens on", low=0, variable="PORT")

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

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise BadSetting(
                f"{PREFIX}DEVICE is {self.device!r}; it must be one of {', '.join(DEVICES)}."
            )


def _parse(variable: str, text: str, spec: Any) -> Any:
    kind = type(spec.default) if not isinstance(spec.default, Path) else Path
    try:
        value = kind(text)
    except ValueError:
        raise BadSetting(f"{variable} is {text!r}; it must be a {_KINDS[kind]}.") from None
    low = spec.metadata["low"]
    if low is not None and not value >= low:
        raise BadSetting(f"{variable} is {text!r}; it must be at least {low:g}.")
    return value


_KINDS = {int: "whole number", float: "number", str: "text", Path: "path"}
