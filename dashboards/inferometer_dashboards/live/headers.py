"""Headers of what the page's server sends: nothing from elsewhere runs or is shown, nobody else frames it."""

from typing import Final

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""No inline script or style; what a request names itself cannot become markup either, because the browser refuses."""
_ALL: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DOCUMENT: Final = {
    **_ALL,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
STATIC: Final = {**_ALL, "Cache-Control": "no-cache", "Content-Security-Policy": CONTENT_SECURITY_POLICY}
DATA: Final = {**_ALL, "Cache-Control": "no-store"}
