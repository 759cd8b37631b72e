"""What a server says and writes down when it starts."""

import json
from dataclasses import fields
from logging import Logger
from urllib.parse import urlencode

from pneumonia.config import Settings
from pneumonia.records.audit_chain import SERVER, Action
from pneumonia.web.services import Services

_SECRET = ("secret_key", "database_url", "oidc_client_secret")
"""Settings whose values are told to nobody."""


def announce(own: Services, log: Logger) -> None:
    """Print the link that makes the first account, and note the settings where they changed.

    Raises StorageUnavailable.
    """
    changed = describe_settings(own.settings)
    if own.audit.newest_subject(Action.SETTINGS) != changed:
        own.audit.note(Action.SETTINGS, changed, actor=SERVER)
    if own.settings.is_local:
        return
    link = own.accounts.first_link()
    if link is not None:
        log.warning(
            "There is no account yet. Open this within 24 hours to make the first one: %s",
            set_up_address(own.settings, link),
        )


def describe_settings(settings: Settings) -> str:
    """Those that are not as they come, as JSON; of a secret only that it is set."""
    values = {one.name: getattr(settings, one.name) for one in fields(settings)}
    told = {
        one.name: "set" if one.name in _SECRET else str(values[one.name])
        for one in fields(settings)
        if values[one.name] != one.default
    }
    return json.dumps(told, sort_keys=True)


def set_up_address(settings: Settings, link: str) -> str:
    """Where a person at this server, or at its first trusted name, opens a link."""
    names = [name for name in settings.hosts if not name.startswith(".")]
    others = [name for name in names if name not in ("localhost", "127.0.0.1", "::1")]
    host = others[0] if others else "localhost"
    host = f"[{host}]" if ":" in host else host
    place = f"https://{host}" if settings.proxies else f"http://{host}:{settings.port}"
    return f"{place}/setup?{urlencode({'key': link})}"
