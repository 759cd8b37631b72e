"""The server's log as JSON, one object a line: for a log store rather than for a terminal."""

import logging
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from pneumonia.telemetry import REQUEST_ID


class RequestId(logging.Filter):
    """Puts the id of the request in work on a record; none where there is no request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = REQUEST_ID.get() or None
        return True


class JsonLog(Logger):  # type: ignore[misc]
    """gunicorn's log, with a request as fields: no query, no referer, no user, no agent."""

    def access(self, response: Any, request: Any, environ: dict[str, Any], took: Any) -> None:
        self.access_log.info(
            "request",
            extra={
                "client": environ.get("REMOTE_ADDR"),
                "method": environ["REQUEST_METHOD"],
                "path": environ["PATH_INFO"][:200],
                "status": response.status_code,
                "bytes": response.sent,
                "took_ms": round(took.total_seconds() * 1000),
            },
        )


JSON = {
    "filters": {"request_id": {"()": RequestId}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(levelname)s %(name)s %(process)d %(message)s %(request_id)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": True,
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["request_id"],
        }
    },
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        name: {"level": "INFO", "handlers": [], "propagate": True}
        for name in ("gunicorn.error", "gunicorn.access")
    },
}
"""For `logging.config.dictConfig`."""
