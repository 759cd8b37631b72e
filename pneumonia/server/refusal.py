"""Answers to requests that never reach the app, in the shape of its own problems (RFC 9457)."""

import json
from typing import NamedTuple


class Refusal(NamedTuple):
    code: str
    answer: bytes


def refuse(status: int, phrase: str, code: str, detail: str, retry_after_s: int = 0) -> Refusal:
    problem = {
        "type": f"urn:problem-type:pneumonia:{code}",
        "title": phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    body = json.dumps(problem).encode()
    retry = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        f"X-Content-Type-Options: nosniff\r\n{retry}Connection: close\r\n\r\n"
    )
    return Refusal(code, head.encode() + body)


TOO_SLOW = refuse(
    408,
    "Request Timeout",
    "request_timeout",
    "The request came in too slowly, and the server did not wait for the rest. Send it again over "
    "a better connection.",
)
HEAD_TOO_LARGE = refuse(
    431,
    "Request Header Fields Too Large",
    "head_too_large",
    "The request's line and header fields are longer than is accepted. Delete the cookies of this "
    "address and try again.",
)
BUSY = refuse(
    503,
    "Service Unavailable",
    "overloaded",
    "The server has more requests than it can take in. Try again in a few seconds.",
    retry_after_s=5,
)
