"""What Alloy's components take and export, as far as Bongsu writes them.

From the reference of Alloy's components, https://grafana.com/docs/alloy/latest/reference/components/.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bongsu.stack.check.shapes import words


@dataclass(frozen=True, slots=True)
class Argument:
    type: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a block holds."""

    arguments: Mapping[str, Argument] = field(default_factory=dict)
    blocks: Mapping[str, "Shape"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    """The blocks that it must have."""
    others: frozenset[str] = frozenset()
    """Arguments and blocks that Bongsu does not write and that are not looked into."""


@dataclass(frozen=True, slots=True)
class Component:
    shape: Shape
    exports: Mapping[str, str] = field(default_factory=dict)
    """Name → type."""


def _arguments(text: str) -> dict[str, Argument]:
    """``name type`` by the line or comma; ``!`` after a name that is required."""
    pairs = (part.split() for part in text.replace("\n", ",").split(",") if part.strip())
    return {name.removesuffix("!"): Argument(kind, name.endswith("!")) for name, kind in pairs}


def _shape(arguments: str = "", required: str = "", others: str = "", **blocks: Shape) -> Shape:
    return Shape(_arguments(arguments), blocks, words(required), words(others))


def _dotted(shape: Shape, blocks: Mapping[str, Shape]) -> Shape:
    return replace(shape, blocks={**shape.blocks, **blocks})


_TARGETS, _LOGS, _SAMPLES = "list(map(string))", "list(LogsReceiver)", "list(MetricsReceiver)"
_CONSUMERS, _CONSUMER = "list(otelcol.Consumer)", "otelcol.Consumer"

_CLIENT = (
    "enable_http2 follow_redirects http_headers no_proxy oauth2 proxy_connect_header proxy_from_environment "
    "proxy_url"
)
_SENDING = "batch debug_metrics retry_on_failure sending_queue tpm"
_RECEIVING = "tls tpm auth keepalive read_buffer_size write_buffer_size"
_OUTPUT = _shape(f"logs {_CONSUMERS}, metrics {_CONSUMERS}, traces {_CONSUMERS}")
_TLS_CONFIG = _shape(
    "ca_file string, ca_pem string, cert_file string, cert_pem string, insecure_skip_verify bool, "
    "key_file string, key_pem secret, min_version string, server_name string"
)
_TLS = _shape(
    "ca_file string, cert_file string, insecure boolean, insecure_skip_verify boolean, key_file string, "
    "server_name string",
    others="ca_pem cert_pem cipher_suites curve_preferences include_insecure_cipher_suites "
    "include_system_ca_certs_pool key_pem max_version min_version reload_interval tpm",
)
_BASIC_AUTH = _shape("password secret, password_file string, username string")
_AUTHORIZATION = _shape("credentials secret, credentials_file string, type string")
_HTTP = {"basic_auth": _BASIC_AUTH, "authorization": _AUTHORIZATION, "tls_config": _TLS_CONFIG}
_RULE = _shape(
    "action string, modulus uint, regex string, replacement string, separator string, "
    "source_labels list(string), target_label string"
)


_STAGES = (
    "stage.eventlogmessage stage.geoip stage.luhn stage.metrics stage.pack stage.pattern stage.sampling "
    "stage.split_json stage.tenant stage.truncate stage.windowsevent"
)
_STAGE_OTHERS = "action_on_duplicate_timestamp regex source_type trim_newlines"


def _stages() -> dict[str, Shape]:
    plain = {
        "cri": "max_partial_lines number, max_partial_line_size number, max_partial_line_size_truncate bool",
        "decolorize": "",
        "docker": "",
        "drop": "drop_counter_reason string, expression string, longer_than string, older_than duration, "
        "separator string, source string, value string",
        "json": "drop_malformed bool, expressions map(string), source string",
        "label_drop": "values list(string)",
        "label_keep": "values list(string)",
        "labels": "values map(string)",
        "limit": "burst! number, by_label_name string, drop bool, max_distinct_labels number, rate! number",
        "logfmt": "mapping map(string), source string",
        "multiline": "firstline! string, max_lines number, max_wait_time duration",
        "output": "source! string",
        "regex": "expression! string, source string, labels_from_groups bool",
        "replace": "expression! string, replace string, source string",
        "static_labels": "values map(string)",
        "structured_metadata": "values map(string)",
        "template": "source! string, template! string",
        "timestamp": "action_on_failure string, fallback_formats list(string), format! string, "
        "location string, source! string",
    }
    found = {f"stage.{name}": _shape(text, others=_STAGE_OTHERS) for name, text in plain.items()}
    match = "action string, drop_counter_reason string, pipeline_name string, selector! string"
    return {**found, "stage.match": _dotted(_shape(match, others=_STAGES), found)}


def _loki() -> Iterator[tuple[str, Component]]:
    process = _dotted(_shape(f"forward_to! {_LOGS}", others=_STAGES), _stages())
    yield "loki.process", Component(process, {"receiver": "LogsReceiver"})
    source = _shape(
        f"encoding string, forward_to! {_LOGS}, legacy_positions_file string, tail_from_end bool, "
        f"targets! {_TARGETS}, on_positions_file_error string",
        others="decompression file_watch",
        file_match=_shape("enabled bool, ignore_older_than duration, sync_period duration"),
    )
    yield "loki.source.file", Component(source)
    endpoint = _dotted(
        _shape(
            "batch_size string, batch_wait duration, bearer_token secret, bearer_token_file string, "
            "headers map(string), max_backoff_period duration, max_backoff_retries int, "
            "min_backoff_period duration, name string, remote_timeout duration, retry_on_http_429 bool, "
            "tenant_id string, url! string",
            others=f"{_CLIENT} queue_config",
        ),
        _HTTP,
    )
    write = _shape("external_labels map(string), max_streams int", others="wal", endpoint=endpoint)
    yield "loki.write", Component(write, {"receiver": "LogsReceiver"})


def _prometheus() -> Iterator[tuple[str, Component]]:
    unix = _shape(
        "disable_collectors list(string), enable_collectors list(string), include_exporter_metrics bool, "
        "procfs_path string, rootfs_path string, set_collectors list(string), sysfs_path string",
        others="udev_data_path arp bcache cpu disk ethtool hwmon ipvs netclass netdev netstat ntp perf "
        "powersupply runit supervisord sysctl systemd tapestats vmstat",
        filesystem=_shape("fs_types_exclude string, mount_points_exclude string, mount_timeout duration"),
        textfile=_shape("directory string"),
    )
    yield "prometheus.exporter.unix", Component(unix, {"targets": _TARGETS})
    scrape = _dotted(
        _shape(
            f"bearer_token secret, bearer_token_file string, forward_to! {_SAMPLES}, honor_labels bool, "
            "honor_timestamps bool, job_name string, metrics_path string, params map(list(string)), "
            "sample_limit uint, scheme string, scrape_classic_histograms bool, "
            "scrape_fallback_protocol string, scrape_interval duration, scrape_native_histograms bool, "
            f"scrape_protocols list(string), scrape_timeout duration, targets! {_TARGETS}",
            others=f"{_CLIENT} body_size_limit convert_classic_histograms_to_nhcb enable_compression "
            "enable_protobuf_negotiation enable_type_and_unit_labels extra_metrics honor_metadata "
            "label_limit label_name_length_limit label_value_length_limit metric_name_escaping_scheme "
            "metric_name_validation_scheme native_histogram_bucket_limit "
            "native_histogram_min_bucket_factor scrape_failure_log_file start_timestamp_zero_ingestion "
            "target_limit track_timestamps_staleness",
            clustering=_shape("enabled! bool"),
        ),
        _HTTP,
    )
    yield "prometheus.scrape", Component(scrape)
    relabel = _shape(f"forward_to! {_SAMPLES}, max_cache_size int", others="cache_ttl", rule=_RULE)
    yield "prometheus.relabel", Component(relabel, {"receiver": "MetricsReceiver"})
    endpoint = _dotted(
        _shape(
            "bearer_token secret, bearer_token_file string, headers map(string), name string, "
            "remote_timeout duration, send_exemplars bool, send_native_histograms bool, url! string",
            others=f"{_CLIENT} azuread google_iam metadata_config protobuf_message round_robin_dns sigv4",
            queue_config=_shape(
                "batch_send_deadline duration, capacity number, max_backoff duration, "
                "max_samples_per_send number, max_shards number, min_backoff duration, min_shards number, "
                "retry_on_http_429 bool, sample_age_limit duration"
            ),
            write_relabel_config=_RULE,
        ),
        _HTTP,
    )
    remote = _shape(
        "external_labels map(string)",
        endpoint=endpoint,
        wal=_shape("max_keepalive_time duration, min_keepalive_time duration, truncate_frequency duration"),
    )
    yield "prometheus.remote_write", Component(remote, {"receiver": "MetricsReceiver"})


def _discovery() -> Iterator[tuple[str, Component]]:
    kubernetes = _shape(
        "api_server string, bearer_token_file string, kubeconfig_file string, role! string",
        others=f"{_CLIENT} authorization basic_auth bearer_token tls_config",
        namespaces=_shape("names list(string), own_namespace bool"),
        selectors=_shape("field string, label string, role! string"),
        attach_metadata=_shape("namespace bool, node bool"),
    )
    yield "discovery.kubernetes", Component(kubernetes, {"targets": _TARGETS})
    relabel = _shape(f"targets! {_TARGETS}", rule=_RULE)
    yield "discovery.relabel", Component(relabel, {"output": _TARGETS, "rules": "RelabelRules"})
    match = _shape(f"ignore_older_than duration, path_targets! {_TARGETS}, sync_period duration")
    yield "local.file_match", Component(match, {"targets": _TARGETS})
    file = _shape("detector string, filename! string, is_secret bool, poll_frequency duration")
    yield "local.file", Component(file, {"content": "string"})


_PROCESSING = {
    "batch": "debug_metrics metadata_cardinality_limit metadata_keys",
    "memory_limiter": "debug_metrics",
    "attributes": "debug_metrics exclude include",
    "groupbyattrs": "debug_metrics",
}
_CLIENTS = {
    "otlp": "authority balancer_name keepalive wait_for_ready",
    "otlphttp": "compression_params cookies disable_keep_alives force_attempt_http2 http2_ping_timeout "
    "http2_read_idle_timeout idle_conn_timeout max_conns_per_host max_idle_conns max_idle_conns_per_host "
    "proxy_url",
}


def _otelcol() -> Iterator[tuple[str, Component]]:
    received = _shape(
        "",
        "output",
        "debug_metrics",
        grpc=_shape(
            "endpoint string, include_metadata bool, max_recv_msg_size string, transport string",
            others=f"{_RECEIVING} max_concurrent_streams",
        ),
        http=_shape(
            "endpoint string, include_metadata bool, max_request_body_size string",
            others=f"{_RECEIVING} compression_algorithms cors idle_timeout keep_alives_enabled logs_url_path "
            "metrics_url_path read_header_timeout read_timeout traces_url_path write_timeout",
        ),
        output=_OUTPUT,
    )
    yield "otelcol.receiver.otlp", Component(received)
    yield (
        "otelcol.receiver.loki",
        Component(_shape("", "output", output=_OUTPUT), {"receiver": "LogsReceiver"}),
    )
    action = _shape(
        "action! string, from_attribute string, key string, pattern string, value any",
        others="converted_type from_context",
    )
    for name, arguments, blocks in (
        ("batch", "send_batch_max_size number, send_batch_size number, timeout duration", {}),
        (
            "memory_limiter",
            "check_interval! duration, limit string, limit_percentage int, spike_limit string, "
            "spike_limit_percentage int",
            {},
        ),
        ("attributes", "", {"action": action}),
        ("groupbyattrs", "keys list(string)", {}),
    ):
        shape = _dotted(_shape(arguments, "output", _PROCESSING[name], output=_OUTPUT), blocks)
        yield f"otelcol.processor.{name}", Component(shape, {"input": _CONSUMER})


def _exporters() -> Iterator[tuple[str, Component]]:
    client = (
        "auth capsule(otelcol.Handler), compression string, endpoint! string, headers map(string), "
        "read_buffer_size string, write_buffer_size string"
    )
    endpoints = "encoding string, logs_endpoint string, metrics_endpoint string, traces_endpoint string"
    for name, arguments, more in (
        ("otlp", "timeout duration", ""),
        ("otlphttp", endpoints, ", timeout duration"),
    ):
        inner = _shape(client + more, others=_CLIENTS[name], tls=_TLS)
        shape = _shape(arguments, "client", _SENDING, client=inner)
        yield f"otelcol.exporter.{name}", Component(shape, {"input": _CONSUMER})
    exporter = _shape(
        f"add_metric_suffixes bool, forward_to! {_SAMPLES}, gc_frequency duration, include_scope_info bool, "
        "include_scope_labels bool, include_target_info bool, resource_to_telemetry_conversion bool",
        others="convert_classic_histograms_to_nhcb debug_metrics honor_metadata "
        "keep_identifying_resource_attributes start_timestamp_zero_ingestion",
    )
    yield "otelcol.exporter.prometheus", Component(exporter, {"input": _CONSUMER})
    bearer = _shape("header string, scheme string, token! secret")
    yield "otelcol.auth.bearer", Component(bearer, {"handler": "capsule(otelcol.Handler)"})


COMPONENTS: Mapping[str, Component] = dict(
    entry for group in (_prometheus, _discovery, _loki, _otelcol, _exporters) for entry in group()
)

SETTINGS: Mapping[str, Shape] = {
    "logging": _shape(f"format string, level string, write_to {_LOGS}"),
    "tracing": _shape(f"sampling_fraction number, write_to {_CONSUMERS}"),
    "livedebugging": _shape("enabled bool"),
    "http": _shape(tls=_TLS_CONFIG),
}
"""Blocks that are no components: there is one of each, without a label."""

UNCHECKED = words(
    "argument export declare foreach remotecfg import.file import.git import.http import.string"
)
"""Blocks that Alloy knows and that are not looked into."""

FUNCTIONS = words(
    "coalesce concat constants convert encoding env file format join json_decode json_path module_path "
    "nonsensitive replace split string sys to_lower to_upper trim trim_prefix trim_space trim_suffix array "
    "argument yaml_decode"
)
"""What a name in an expression may begin with besides components."""

_OTHERS = {
    "beyla": "ebpf",
    "database_observability": "mysql postgres",
    "discovery": "aws azure consul consulagent digitalocean dns docker dockerswarm ec2 eureka file gce "
    "hetzner http ionos kubelet kuma lightsail linode marathon nerve nomad openstack ovhcloud process "
    "puppetdb scaleway serverset triton uyuni",
    "faro": "receiver",
    "loki": "echo enrich relabel rules.kubernetes secretfilter",
    "loki.source": "api awsfirehose azure_event_hubs cloudflare docker gcplog gelf heroku journal kafka "
    "kubernetes kubernetes_events podlogs syslog windowsevent",
    "mimir": "alerts.kubernetes rules.kubernetes",
    "otelcol.auth": "basic headers oauth2 sigv4",
    "otelcol.connector": "count host_info servicegraph signaltometrics spanlogs spanmetrics",
    "otelcol.exporter": "awss3 clickhouse datadog debug elasticsearch faro file googlecloud "
    "googlecloudpubsub kafka loadbalancing loki opensearch splunkhec syslog",
    "otelcol.extension": "jaeger_remote_sampling",
    "otelcol.processor": "cumulativetodelta deltatocumulative discovery filter interval k8sattributes "
    "metric_start_time probabilistic_sampler redaction resourcedetection span tail_sampling transform",
    "otelcol.receiver": "awscloudwatch awsecscontainermetrics awss3 cloudflare datadog faro file_stats "
    "filelog fluentforward github googlecloudpubsub influxdb jaeger kafka nginx opencensus prometheus "
    "solace splunkhec syslog tcplog vcenter zipkin",
    "otelcol.storage": "file",
    "prometheus": "echo enrich receive_http write.queue",
    "prometheus.exporter": "apache azure blackbox cadvisor catchpoint cloudwatch consul databricks dnsmasq "
    "elasticsearch gcp github kafka memcached mongodb mssql mysql oracledb postgres process redis self snmp "
    "snowflake squid statsd static windows",
    "prometheus.operator": "podmonitors probes scrapeconfigs servicemonitors",
    "pyroscope": "ebpf enrich java receive_http relabel scrape write",
    "remote": "http kubernetes.configmap kubernetes.secret s3 vault",
}
NAMES = frozenset(COMPONENTS) | frozenset(
    f"{family}.{name}" for family, names in _OTHERS.items() for name in names.split()
)
"""Every component of Alloy 1; of those that Bongsu does not write only the name is known."""
