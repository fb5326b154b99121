"""Who may ask the page for anything. Every request passes here before any other line of ours sees it.

Another program's page in the same browser can send requests to this address, and a name server can point a stranger's
name at it. So a request must name this very host, carry the secret of this start, come from this page itself, and, to
write, repeat a second secret that only this page has been told.

    Source: OWASP cheat sheets on cross-site request forgery, session management and content security policy;
    W3C, Fetch Metadata Request Headers.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CSRF_HEADER", "HEADERS", "HOST", "LARGEST", "Door", "Refusal"]

HOST = "127.0.0.1"
CSRF_HEADER = "x-culpa-page"
LARGEST = 64 * 1024  # bytes of one request's body
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is turned away."""

    code: int
    message: str


@dataclass(frozen=True)
class Door:
    """The secrets of one start, and the address that it listens on."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    page_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def url(self) -> str:
        """What a person opens."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers share cookies between the ports of a host, and two pages may be open."""
        return f"culpa_{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """What the header Host may say."""
        return frozenset(f"{name}:{self.port}" for name in (HOST, "localhost"))

    def knows(self, token: str | None) -> bool:
        """Whether this is the secret of this start; takes as long whatever is wrong."""
        return hmac.compare_digest((token or "").encode(), self.token.encode())

    def refuse_stranger(self, method: str, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse a request to another host's name, one that another site sent, and one to write without its marks."""
        if headers.get("host", "") not in self.hosts:
            return Refusal(421, f"this page answers to {HOST}:{self.port} alone")
        from_here = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if not from_here and not _is_visit(method, headers):
            return Refusal(403, "another site sent this request")
        if method not in ("GET", "HEAD"):
            return self._refuse_writing(headers)
        return None

    def _refuse_writing(self, headers: Mapping[str, str]) -> Refusal | None:
        if headers.get("origin") != f"http://{headers['host']}":
            return Refusal(403, "only the page itself may write")
        if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), self.page_secret.encode()):
            return Refusal(403, "this page is from an earlier start: open the address that `culpa review` printed")
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return Refusal(415, "needed JSON")
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            return Refusal(413, f"needed a body of at most {LARGEST:,} bytes, and its length")
        return None


def _is_visit(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person followed a link to here; it shows the page, and other sites cannot see the answer."""
    return (
        method == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
