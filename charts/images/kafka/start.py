"""Starts one Kafka broker: formats its log folder the first time, then becomes the broker.

KAFKA_CONFIGURATION names its server.properties, KAFKA_HEAP_MIB bounds its heap.
"""

import os
import subprocess
from pathlib import Path

JAVA = ["java", "-Dlog4j2.configurationFile=/opt/kafka/log4j2.properties", "-cp", "/opt/kafka/jars/*"]


def main() -> None:
    """Format where that was not done, and hand this process over to Kafka."""
    configuration = os.environ["KAFKA_CONFIGURATION"]
    log = Path(setting(configuration, "log.dirs"))
    if not (log / "meta.properties").exists():
        tool = [*JAVA, "kafka.tools.StorageTool"]
        cluster = subprocess.run([*tool, "random-uuid"], check=True, capture_output=True, text=True)
        name = cluster.stdout.split()[-1]
        subprocess.run([*tool, "format", "--cluster-id", name, "--config", configuration], check=True)
    heap = f"-Xmx{os.environ.get('KAFKA_HEAP_MIB', '512')}m"
    os.execvp("java", [*JAVA[:1], heap, "-XX:+UseSerialGC", *JAVA[1:], "kafka.Kafka", configuration])


def setting(configuration: str, name: str) -> str:
    """A value of a properties file."""
    lines = (line.partition("=") for line in Path(configuration).read_text().splitlines())
    return next(value.strip() for key, _, value in lines if key.strip() == name)


if __name__ == "__main__":
    main()
