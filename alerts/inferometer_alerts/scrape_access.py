"""What Prometheus shows to pages that are not open to everybody, as its configuration has it: files, no secrets."""

from inferometer.fleet.page_access import PageAccess
from inferometer_alerts.yaml_text import Yaml


def settings(access: PageAccess | None) -> dict[str, Yaml]:
    """Keys of a scrape job; none where nothing is asked."""
    if access is None:
        return {}
    written: dict[str, Yaml] = {}
    if access.token_file is not None:
        written["authorization"] = {"type": "Bearer", "credentials_file": access.token_file}
    if access.username is not None:
        written["basic_auth"] = {"username": access.username, "password_file": access.password_file}
    if tls := _tls(access):
        written["tls_config"] = tls
    return written


def _tls(access: PageAccess) -> dict[str, Yaml]:
    said: dict[str, str | None] = {
        "ca_file": access.ca_file,
        "server_name": access.server_name,
        "cert_file": access.cert_file,
        # Prometheus takes no certificate without naming its key's file, even where that is the same.
        "key_file": access.key_file or access.cert_file,
    }
    return {name: value for name, value in said.items() if value is not None}
