"""Options of Kafka's clients."""

from ratoon.events.kafka import KafkaSettings


def test_tls_and_sasl_options_reach_every_client() -> None:
    security = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "ssl_cafile": "ca.pem"}
    client = KafkaSettings(bootstrap="a:9093,b:9093", timeout_s=3.0, security=security).client()
    assert client["bootstrap_servers"] == ["a:9093", "b:9093"]
    assert client["request_timeout_ms"] == 3000
    assert security.items() <= client.items()
