"""Where ``bongsu init`` finds services: a Prometheus, ``/metrics`` pages, or a stream of OTLP."""


class DiscoveryError(Exception):
    """Nothing could be read; the text names the endpoint and says what to do."""
