"""What a browser may ask of a port that people open: pages of other sites reach 127.0.0.1, too.

A site whose name resolves to us (DNS rebinding) sends its own name as ``Host``; a page of another site that only asks
sends its ``Origin``, or says that it is another site. Neither is answered.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from socket import gethostname
from typing import Final

from inferometer.access import is_loopback

_PRIVATE_SUFFIXES: Final = (".local", ".localhost", ".internal", ".svc")
"""Of names that nobody can register: multicast DNS, RFC 6761, ICANN's private use, Kubernetes."""
FOREIGN: Final = (
    "this address is asked under a name that anybody could give it: open http://127.0.0.1 or the host's own name; "
    "under another name a token is needed (--token-file)\n"
)
ELSEWHERE: Final = "asked by a page of another site\n"


def nobody(_: str) -> bool:
    """Nothing is open to those who show no token."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsers:
    """Rules of a port that browsers ask.

    Attributes:
        host: address that is listened on.
        has_token: whoever asks shows a token, which no foreign page has.
        is_open: whether a path is answered without a token.
    """

    host: str
    has_token: bool = False
    is_open: Callable[[str], bool] = nobody

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Why a request with these headers is not answered; empty where it is."""
        found = {name: value.decode("latin-1") for name, value in headers}
        host = found.get(b"host", "")
        if not self.has_token and not self._is_own(_name(host)):
            return FOREIGN
        origin = found.get(b"origin")
        if origin is not None and origin.rpartition("//")[2] != host:
            return ELSEWHERE
        navigates = found.get(b"sec-fetch-mode") == "navigate"
        return ELSEWHERE if found.get(b"sec-fetch-site") == "cross-site" and not navigates else ""

    def _is_own(self, name: str) -> bool:
        """Whether a name is one that a stranger cannot point at us."""
        if not name or is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        if "." not in name or name.endswith(_PRIVATE_SUFFIXES) or name == gethostname().lower():
            return True
        try:
            ip_address(name)
        except ValueError:
            return ".svc." in name
        return True


def _name(host: str) -> str:
    """The name in a ``Host`` header, without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")
