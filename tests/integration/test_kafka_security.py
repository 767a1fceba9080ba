"""Kafka by TLS and SASL, from the settings of a service."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratoon.events.ports import LogUnavailable, Record, Topic
from ratoon.process.clock import SystemClock
from ratoon.process.errors import FailedPrecondition
from ratoon.runtime.settings import ServiceSettings
from ratoon.security.authority import make_authority
from ratoon.service.events import open_log
from ratoon.testkit.kafka import PASSWORD, USER, Broker, kafka_broker

__all__ = ["kafka_broker"]
TOPIC = "ratoon.test.v1.secured"


def settings(broker: Broker, password: str = PASSWORD, ca: Path | None = None) -> ServiceSettings:
    return ServiceSettings(
        service="registry",
        events=f"kafka://{broker.secured}",
        kafka_security_protocol="SASL_SSL",
        kafka_ca=ca or broker.authority,
        kafka_sasl_mechanism="PLAIN",
        kafka_username=USER,
        kafka_password=password,
    )


@pytest.mark.kafka
def test_events_go_through_tls_and_sasl(kafka_broker):
    log = open_log(settings(kafka_broker), SystemClock())
    log.create_topics([Topic(TOPIC, partitions=1)])
    log.append([Record(TOPIC, b"key", b"value")])
    assert [delivery.record.value for delivery in log.scan(TOPIC)] == [b"value"]
    log.close()


@pytest.mark.kafka
def test_a_wrong_password_and_a_foreign_authority_are_refused(kafka_broker, tmp_path):
    foreign = tmp_path / "ca.pem"
    foreign.write_bytes(make_authority("other").certificate)

    def is_refused(wrong: ServiceSettings) -> None:
        log = open_log(wrong, SystemClock())
        with pytest.raises(LogUnavailable):
            log.create_topics([Topic(TOPIC, partitions=1)])
        log.close()

    with ThreadPoolExecutor(2) as pool:  # each waits for its timeout
        list(pool.map(is_refused, (settings(kafka_broker, "wrong"), settings(kafka_broker, ca=foreign))))


def test_sasl_without_a_password_is_refused_with_the_settings_to_give():
    incomplete = ServiceSettings(
        service="registry", events="kafka://k:9093", kafka_security_protocol="SASL_SSL"
    )
    with pytest.raises(FailedPrecondition, match="RATOON_REGISTRY_KAFKA_PASSWORD"):
        open_log(incomplete, SystemClock())
