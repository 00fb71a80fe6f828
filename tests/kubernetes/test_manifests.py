"""Manifests: whole, hardened, without a secret, in step with the command line and the settings they use."""

import json
import re
from pathlib import Path

import pytest
import typer
from fleets_in_kubernetes import EVERYTHING, FLEETS, HOSTILE, many

from inferometer.errors import RefusedError
from inferometer.fleet.loader import loads
from inferometer.settings import _VARIABLES
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.rule import Alert
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.commands.declared import app
from inferometer_compose.kubernetes import manifests
from inferometer_exporters.ports import Address

COMMAND = typer.main.get_command(app).commands["sidecar"]
OF_OTHERS = {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}
SOCKET = "/run/inferometer/sidecar.sock"
USER = 10001
MEBIBYTE = 1 << 20


@pytest.fixture(params=["example", "everything", "secured", "hostile"])
def objects(request, made):
    return made(FLEETS[request.param])


def pods(objects):
    """Path and pod of every patch and DaemonSet."""
    for name, document in objects.items():
        if isinstance(document, dict) and "template" in document.get("spec", {}):
            yield name, document["spec"]["template"]


def containers(pod):
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def sidecars(objects):
    return [
        (pod, one) for _, pod in pods(objects) for one in containers(pod) if one.get("args", [None])[0] == "sidecar"
    ]


def servers(objects):
    return [
        (pod, one) for _, pod in pods(objects) for one in containers(pod) if "INFEROMETER_SIDECAR" in variables(one)
    ]


def variables(container):
    return {
        one["name"]: one.get("value", one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"))
        for one in container.get("env", [])
    }


def options(container):
    """What the command line makes of the arguments; it refuses those it does not know."""
    return COMMAND.make_context("sidecar", [*container["args"][1:]]).params


def mounts(pod, container):
    """Path in the container -> volume."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}


def thresholds(objects, folder):
    """thresholds.json of a folder's sidecar."""
    return json.loads(objects[f"{folder}/settings.yaml"]["data"]["thresholds.json"])


def test_the_same_fleet_gives_the_same_bytes():
    for text in (FLEETS["example"], HOSTILE):
        assert manifests.files(loads(text)) == manifests.files(loads(text))


def test_every_sidecar_understands_its_arguments_and_answers_where_it_is_asked(objects):
    assert sidecars(objects)
    for pod, container in sidecars(objects):
        found = options(container)
        port = Address.parse(found["metrics"]).port

        assert str(found["socket"]) == SOCKET
        assert [one["containerPort"] for one in container["ports"] if one["name"] == "metrics"] == [port]
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/healthz"
            assert container[probe]["httpGet"]["port"] == "metrics"
        paths = mounts(pod, container)
        assert str(found["state"]) in paths, "its state outlives it"
        for option in ("thresholds", "token_file", "tls_cert", "tls_key"):
            if found[option] is not None:
                assert str(Path(found[option]).parent) in paths, option


def test_a_sidecar_asks_for_the_token_and_speaks_tls_where_the_file_says_so(made):
    objects = made(EVERYTHING)
    endpoint = objects["base/pod-monitor.yaml"]["spec"]["podMetricsEndpoints"][0]

    for _, container in sidecars(objects):
        found = options(container)
        assert str(found["token_file"]) == "/run/secrets/inferometer/token"
        assert str(found["tls_cert"]) == "/run/secrets/inferometer-tls/tls.crt"
        assert str(found["tls_key"]) == "/run/secrets/inferometer-tls/tls.key"
        assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert endpoint["authorization"]["credentials"] == {"name": "token", "key": "token"}
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": "certificate", "key": "ca.crt"}}
    assert endpoint["tlsConfig"]["serverName"] == "inferometer.models.svc"


def test_every_container_of_ours_is_locked_down(objects):
    for name, pod in pods(objects):
        for container in containers(pod):
            if "image" not in container:
                continue  # The user's own, which the patch adds to.
            said = {**pod["spec"].get("securityContext", {}), **container["securityContext"]}
            assert said["readOnlyRootFilesystem"] is True
            assert said["allowPrivilegeEscalation"] is False
            assert said["capabilities"]["drop"] == ["ALL"]
            assert said["seccompProfile"] == {"type": "RuntimeDefault"}
            assert container["resources"]["limits"]["memory"]
            if container["name"] == "owner":
                assert said["capabilities"]["add"] == ["CHOWN", "FOWNER"], "root in an init container, for two folders"
            else:
                assert said["runAsNonRoot"] is True, name
                assert said["runAsUser"] == USER


def test_the_user_s_pods_run_as_the_user_of_the_socket(objects):
    for pod, _ in servers(objects):
        said = pod["spec"]["securityContext"]
        assert (said["runAsUser"], said["runAsNonRoot"]) == (USER, True)
        assert said["seccompProfile"] == {"type": "RuntimeDefault"}


def test_every_variable_is_one_that_somebody_reads(objects):
    known = {*_VARIABLES, *OF_OTHERS}
    known |= {text for option in COMMAND.params for text in [option.envvar] if isinstance(text, str)}

    for _, pod in pods(objects):
        for container in containers(pod):
            assert variables(container).keys() <= known


def test_a_server_finds_the_socket_and_says_who_it_is(objects):
    for pod, container in servers(objects):
        said, paths = variables(container), mounts(pod, container)
        assert said["INFEROMETER_SIDECAR"] == f"unix://{SOCKET}"
        assert said["INFEROMETER_VERSION"] == pod["metadata"]["labels"]["version"]
        assert {"INFEROMETER_ENABLED", "OTEL_SERVICE_NAME", "INFEROMETER_HOST", "CONTAINER_NAME"} <= said.keys()
        volume = paths[str(Path(SOCKET).parent)]
        assert "emptyDir" in volume or volume["hostPath"]["type"] == "DirectoryOrCreate"
        assert "emptyDir" in volume or {"POD_NAME", "POD_UID", "NODE_NAME"} <= said.keys()
        assert str(Path(said["INFEROMETER_THRESHOLDS"]).parent) in paths


def test_server_and_sidecar_of_a_pod_bill_the_same_host(example):
    for _, pod in pods(example):
        named = {variables(one)["INFEROMETER_HOST"] for one in containers(pod) if "INFEROMETER_HOST" in variables(one)}
        assert len(named) == 1


def test_only_the_node_s_sidecar_sees_the_node(example):
    daemon = example["node/daemon-set.yaml"]["spec"]["template"]["spec"]
    assert daemon["hostPID"] is True
    assert daemon["automountServiceAccountToken"] is False
    for name, pod in pods(example):
        if not name.startswith("node/"):
            assert not pod["spec"].get("hostPID")
            assert not pod["spec"].get("hostNetwork")


def test_pods_have_the_labels_that_istio_and_kiali_read(example):
    labels = example["components/embedder/patch.yaml"]["spec"]["template"]["metadata"]["labels"]

    assert labels == {"app": "embedder", "version": "v2", "inferometer.io/scrape": "true"}
    policy = example["components/embedder/network-policy.yaml"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_prometheus_alone_reaches_our_ports_and_everybody_reaches_the_others(example):
    prometheus, others = example["components/embedder/network-policy.yaml"]["spec"]["ingress"]

    assert prometheus["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert prometheus["ports"] == [{"protocol": "TCP", "port": "metrics"}]
    tcp = [(one["port"], one["endPort"]) for one in others["ports"] if one["protocol"] == "TCP"]
    closed = {port for port in range(1, 65536) if not any(low <= port <= high for low, high in tcp)}
    assert "from" not in others
    assert closed == {9464, 9465, 9466}


def test_prometheus_may_find_pods_and_nothing_else(example):
    role = example["base/scrape-role.yaml"]
    binding = example["base/scrape-role-binding.yaml"]

    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0] == {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}


def test_scrapes_carry_native_histograms_and_no_label_that_no_rule_was_proved_with(example):
    spec = example["base/pod-monitor.yaml"]["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]

    assert spec["scrapeProtocols"][0] == "PrometheusProto"
    assert spec["scrapeNativeHistograms"] is True
    assert spec["scrapeClassicHistograms"] is True
    assert endpoint["honorLabels"] is True
    assert {"action": "replace", "targetLabel": "job", "replacement": "inferometer"} in endpoint["relabelings"]
    dropped = next(rule["regex"] for rule in endpoint["relabelings"] if rule["action"] == "labeldrop")
    assert {name for name in ("namespace", "pod", "container", "endpoint") if re.fullmatch(dropped, name)} == {
        "namespace",
        "pod",
        "container",
        "endpoint",
    }


def test_every_rule_is_there_and_each_alert_has_the_namespace_by_which_it_is_routed(example):
    fleet = loads(FLEETS["example"])
    written = [
        rule
        for name, document in example.items()
        if name.startswith("base/rules-")
        for group in document["spec"]["groups"]
        for rule in group["rules"]
    ]
    known = [rule for groups in rule_groups(fleet, TimeScale(1)).values() for group in groups for rule in group.rules]

    assert len(written) == len(known)
    alerts = [rule for rule in written if "alert" in rule]
    assert len(alerts) == sum(isinstance(rule, Alert) for rule in known)
    assert {rule["labels"]["namespace"] for rule in alerts} == {"inference"}
    assert not any("namespace" in rule.get("labels", {}) for rule in written if "record" in rule)


def test_every_board_is_a_config_map_that_grafana_s_sidecar_takes(example):
    found = {name: document for name, document in example.items() if name.startswith("base/board-")}

    assert len(found) >= 3
    for document in found.values():
        assert document["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((name, text),) = document["data"].items()
        board = json.loads(text)
        assert name == f"{board['uid']}.json"


@pytest.mark.broad
def test_no_object_of_a_fleet_of_200_models_is_larger_than_kubernetes_stores():
    files = manifests.files(loads(many(100)))

    # etcd refuses 1.5 MiB, and a ConfigMap may hold 1 MiB.
    assert max(map(len, files.values())) < MEBIBYTE


def test_a_sidecar_has_the_promises_of_its_own_service_only(example):
    def services(folder):
        return {objective["service"] for objective in thresholds(example, folder)["objectives"]}

    assert services("components/gateway") == {"gateway"}
    assert services("components/embedder") == {"embedder"}
    assert services("node") == {"llm"}


def test_a_secret_is_named_and_never_written(made):
    objects = made(EVERYTHING)

    assert not any(isinstance(found, dict) and found.get("kind") == "Secret" for found in objects.values())
    receivers = objects["base/alertmanager-config.yaml"]["spec"]["receivers"]
    assert receivers[0]["webhookConfigs"][0]["urlSecret"] == {"name": "who", "key": "hook"}
    assert receivers[2]["pagerdutyConfigs"][0]["routingKey"] == {"name": "who", "key": "pager-duty"}
    assert receivers[5]["emailConfigs"][0]["authPassword"] == {"name": "who", "key": "mail"}
    assert receivers[6]["webhookConfigs"][0]["url"] == "http://127.0.0.1:9099/alerts"


def test_names_that_mean_something_elsewhere_arrive_as_they_are(made):
    objects = made(HOSTILE)
    service = 'ser"vi\\ce {{ .X }} $(HOME) $labels ü'
    (name,) = [name for name in objects if name.endswith("/patch.yaml")]

    ((_, server),) = servers({name: objects[name]})
    # Kubernetes makes $(HOME) of $$(HOME).
    assert variables(server)["OTEL_SERVICE_NAME"] == service.replace("$(", "$$(")


def test_kustomizations_list_what_lies_beside_them():
    files = manifests.files(loads(FLEETS["example"]))
    from ruamel.yaml import YAML  # noqa: PLC0415 - one test only

    for name, content in files.items():
        folder, _, last = name.rpartition("/")
        if last == "kustomization.yaml":
            document = YAML(typ="safe", pure=True).load(content.decode())
            named = {*document.get("resources", []), *(patch["path"] for patch in document.get("patches", []))}
            beside = {path.rpartition("/")[2] for path in files if path.rpartition("/")[0] == folder}
            assert named == beside - {"kustomization.yaml"}


def test_a_foreign_engine_is_read_by_the_sidecar_in_its_pod_and_stays_as_it_is(made):
    objects = made(EVERYTHING)
    pod = objects["components/vllm/patch.yaml"]["spec"]["template"]["spec"]

    (engine,) = thresholds(objects, "components/vllm")["engines"]
    assert engine["pages"] == ["http://127.0.0.1:8000/metrics"]
    assert thresholds(objects, "components/embedder")["engines"] == []
    assert "runAsUser" not in pod["securityContext"], "its image is for another user"
    assert pod["containers"] == [{"name": "server", "env": [{"name": "OTEL_SERVICE_NAME", "value": "vllm"}]}]
    assert pod["initContainers"][0]["securityContext"]["runAsUser"] == USER


def test_a_foreign_engine_that_prometheus_reads_has_a_monitor_and_rules(made):
    objects = made(EVERYTHING)
    (endpoint,) = objects["components/triton/engine-monitor.yaml"]["spec"]["podMetricsEndpoints"]

    assert (endpoint["portNumber"], endpoint["path"], endpoint["scheme"]) == (8002, "/metrics", "http")
    fixed = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"] if "replacement" in one}
    assert fixed["service"] == "triton"
    assert fixed["job"] == objects["base/rules-engine-series.yaml"]["spec"]["groups"][0]["name"]
    assert endpoint["metricRelabelings"][-1]["action"] == "keep"
    assert "components/vllm/engine-monitor.yaml" not in objects


def test_pages_that_every_node_would_read_are_refused():
    fleet = loads(EVERYTHING.replace("    engine: vllm\n", "    engine: vllm\n    kubernetes: {sidecar: node}\n"))

    with pytest.raises(RefusedError, match="its pages would be read by the sidecar of every node"):
        manifests.files(fleet)


def test_other_promises_start_pods_anew_and_those_of_others_do_not(made):
    def mark(text, service):
        patch = made(text)[f"components/{service}/patch.yaml"]
        return patch["spec"]["template"]["metadata"]["annotations"]["inferometer.io/settings"]

    before = FLEETS["example"]
    after = before.replace("timeout: 180s", "timeout: 190s")
    assert before != after
    assert mark(before, "gateway") != mark(after, "gateway")
    assert mark(before, "embedder") == mark(after, "embedder")


def test_what_is_mounted_is_there(objects):
    there = {
        found["metadata"]["name"]
        for found in objects.values()
        if isinstance(found, dict) and found.get("kind") == "ConfigMap"
    }
    for _, pod in pods(objects):
        for volume in pod["spec"].get("volumes", []):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in there
