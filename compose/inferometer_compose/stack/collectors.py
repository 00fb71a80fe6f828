"""Whether every Collector behind some names is well; their image has no shell, so a container beside them asks.

``python -m inferometer_compose.stack.collectors balancer:13133 sampler:13133`` ends with 1 where one is not well.
"""

import socket
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Final

_SECONDS: Final = 1.0
"""One that takes longer to say how it is, is not well."""

Resolve = Callable[[str, int], Iterable[str]]
"""Every address of a name: each replica has one of its own."""


def addresses(name: str, port: int) -> Iterator[str]:
    """IPv4 addresses behind a name.

    Raises:
        OSError: nobody has the name.
    """
    found = socket.getaddrinfo(name, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    yield from sorted({str(address[0]) for *_, address in found})


def unwell(targets: Iterable[str], resolve: Resolve = addresses) -> Iterator[str]:
    """What is wrong, a sentence for each Collector; nothing where all of them are well.

    Args:
        targets: ``name:port`` of their health checks.
        resolve: finds the addresses behind a name.
    """
    for target in targets:
        name, _, port = target.rpartition(":")
        try:
            found = list(resolve(name, int(port)))
        except OSError as error:
            yield f"{target}: {error}"
            continue
        for address in found:
            said = _asked(f"http://{address}:{port}/")
            if said:
                yield f"{target} at {address}: {said}"


def _asked(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - http, from the addresses above
            return "" if answer.status == HTTPStatus.OK else f"status {answer.status}"
    except OSError as error:
        return str(error)


def main(arguments: list[str]) -> int:
    """Print what is wrong; the exit status."""
    wrong = list(unwell(arguments))
    sys.stdout.writelines(f"{sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
