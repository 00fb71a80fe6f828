"""Engines' pages that are not open, in Kubernetes: who mounts which key, what thresholds.json and PodMonitors say."""

import json

import pytest
from fleets_in_kubernetes import SECURED

from inferometer.errors import RefusedError
from inferometer.fleet import thresholds_file
from inferometer.fleet.loader import loads
from inferometer_compose.kubernetes import manifests

KEYS = ["ca.pem", "llm-token", "reader.key", "reader.pem"]


def changed(old: str, new: str):
    assert old in SECURED
    return manifests.files(loads(SECURED.replace(old, new)))


def secrets_of(pod) -> list[dict]:
    return [volume["secret"] for volume in pod["volumes"] if "secret" in volume]


def test_the_sidecar_in_the_pod_finds_each_file_where_its_settings_say(made):
    objects = made(SECURED)
    pod = objects["components/llm/patch.yaml"]["spec"]["template"]["spec"]
    (secret,) = secrets_of(pod)
    (volume,) = (one["name"] for one in pod["volumes"] if "secret" in one)
    (mount,) = (one for one in pod["initContainers"][0]["volumeMounts"] if one["name"] == volume)
    told = thresholds_file.loads(objects["components/llm/settings.yaml"]["data"]["thresholds.json"]).engines[0]

    assert secret["secretName"] == "llm-readers"
    assert secret["items"] == [{"key": key, "path": key} for key in KEYS]
    assert secret["defaultMode"] == 0o440
    assert mount["readOnly"] is True
    files = (told.access.token_file, told.access.ca_file, told.access.cert_file, told.access.key_file)
    assert sorted(files) == [f"{mount['mountPath']}/{key}" for key in KEYS]
    assert told.pages == ("https://127.0.0.1:8000/metrics",)
    assert told.access.server_name == "llm.internal"


def test_the_server_beside_it_does_not_see_them(made):
    pod = made(SECURED)["components/llm/patch.yaml"]["spec"]["template"]["spec"]

    assert all(one["name"] != "inferometer-page" for one in pod["containers"][0].get("volumeMounts", []))


def test_pods_whose_pages_prometheus_reads_mount_nothing(made):
    for name in ("triton", "tgi"):
        assert secrets_of(made(SECURED)[f"components/{name}/patch.yaml"]["spec"]["template"]["spec"]) == []


def test_prometheus_is_told_by_the_names_of_secrets(made):
    objects = made(SECURED)
    (triton,) = objects["components/triton/engine-monitor.yaml"]["spec"]["podMetricsEndpoints"]
    (tgi,) = objects["components/tgi/engine-monitor.yaml"]["spec"]["podMetricsEndpoints"]

    assert triton["scheme"] == "https"
    assert triton["basicAuth"] == {
        "username": {"name": "triton-page", "key": "username"},
        "password": {"name": "triton-page", "key": "password"},
    }
    # The key of a certificate is in the same file where nothing else is said; pods are reached by address.
    assert triton["tlsConfig"] == {
        "cert": {"secret": {"name": "triton-page", "key": "reader.pem"}},
        "keySecret": {"name": "triton-page", "key": "reader.pem"},
        "serverName": "triton.models.svc",
    }
    assert tgi["authorization"] == {"type": "Bearer", "credentials": {"name": "tgi-page", "key": "tgi-token"}}
    assert "tlsConfig" not in tgi


def test_a_page_over_tls_is_asked_for_by_its_name_though_nothing_else_is_said(made):
    before, rest = SECURED.split("    access:\n", 1)
    open_page = before.replace(', "https://llm-1.llm:8000/metrics"', "") + rest[rest.index("    models: {llama") :]
    settings = made(open_page)["components/llm/settings.yaml"]["data"]["thresholds.json"]

    assert json.loads(settings)["engines"][0]["access"] == {"server_name": "llm-0.llm"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/etc/llm/reader.key", "/run/secrets/ca.pem", "would be the same key of the Secret llm-readers"),
        ("/run/secrets/llm-token", "/run/secrets/a b", "/run/secrets/a b cannot be a key of a Secret"),
        (" server_name: llm.internal,", "", "one name must be in the certificates of all of them"),
        (
            "    access: {token_file: /run/secrets/tgi-token}\n",
            "    kubernetes: {access_secret: x}\n",
            "services.tgi.kubernetes.access_secret is of no use",
        ),
    ],
)
def test_what_one_secret_and_one_name_cannot_say_is_refused(old, new, said):
    with pytest.raises(RefusedError, match=said):
        changed(old, new)
