"""What a page asks for, as options of a command say it; the same words as `access` in fleet.yaml."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from inferometer.errors import RefusedError
from inferometer.fleet.page_access import PageAccess
from inferometer_exporters.pages.fetch import PageUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """What the command line said; nothing where it said nothing."""

    token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    server_name: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def access(self, prefix: str = "--") -> PageAccess | None:
        """What to show, and whom to believe; None where nothing was said.

        Args:
            prefix: of the options' names, for errors.

        Raises:
            RefusedError: a user without a password's file or the other way round, a token besides, a key without its
                certificate.
        """
        if self == PageOptions():
            return None
        if (self.username is None) != (self.password_file is None):
            raise RefusedError(f"{prefix}username and {prefix}password-file belong together")
        if self.token_file is not None and self.username is not None:
            raise RefusedError(f"{prefix}token-file and {prefix}username: a page asks for one of the two")
        if self.key_file is not None and self.cert_file is None:
            raise RefusedError(f"{prefix}key-file is of no use without {prefix}cert-file")
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return PageAccess(**{name: None if value is None else str(value) for name, value in said.items()})


def of_gpu_pages(options: PageOptions, pages: Iterable[PageUrl]) -> PageAccess | None:
    """What all *pages* of GPUs ask for.

    Raises:
        RefusedError: it contradicts itself, or is of no use for these pages.
    """
    prefix = "--gpu-page-"
    access = options.access(prefix)
    if access is None:
        return None
    schemes = {page.scheme for page in pages}
    if not schemes:
        raise RefusedError(f"{prefix}… says how a page is asked for: --gpu-page is missing")
    if access.is_tls and "https" not in schemes:
        raise RefusedError(f"{prefix}ca-file, -server-name, -cert-file and -key-file are for pages over https")
    return access
