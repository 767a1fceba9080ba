"""Runs services in one process, through each one's `build`: `python -m ratoon.service.host registry serving …`.

It knows services as their packages register them (`ratoon.runtime.services`).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from ratoon.process.errors import RatoonError
from ratoon.runtime import logs
from ratoon.runtime.lifecycle import App, run
from ratoon.runtime.log_files import ChildFiles
from ratoon.runtime.services import load, service_names
from ratoon.runtime.settings import ServiceSettings, settings_of
from ratoon.service.app import Platform
from ratoon.storage.gc import GarbageCollector, GcSettings


def main(services: Sequence[str], arguments: Sequence[str]) -> int:
    """Serve these services in one process, or with `migrate` update their databases; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=f"ratoon_{services[0]}" if len(services) == 1 else "ratoon-host",
        description=f"Ratoon: {', '.join(services)}. Settings are environment variables; the README lists them.",
    )
    parser.add_argument("action", nargs="?", choices=("serve", "migrate"), default="serve")
    action = parser.parse_args(arguments).action
    logs.configure(_process(services))
    try:
        settings = [settings_of(service) for service in services]
        if action == "migrate":
            from ratoon.storage.migrations import migrate  # who serves goes without Alembic

            for each in settings:
                migrate(each.service, each.database_url)
            return 0
        _serve(_process(services), settings)
    except RatoonError as error:
        print(f"{'/'.join(services)}: {error}", file=sys.stderr)
        return 1
    return 0


def build(settings: ServiceSettings, platform: Platform) -> App:
    """Return a service as composed by its own bootstrap."""
    registered: Callable[[ServiceSettings, Platform], App] = load("ratoon.services", settings.service)
    return registered(settings, platform)


def _process(services: Sequence[str]) -> str:
    """Return the name of the process of these services."""
    return "control" if len(services) > 1 else services[0]


def _serve(process: str, settings: Sequence[ServiceSettings]) -> None:
    traced = next((each for each in settings if each.otlp), settings[0])
    metrics = next((each.metrics for each in settings if each.metrics), "")
    platform = Platform.of_process(traced.otlp, traced.trace_ratio)
    try:
        apps = [build(each, platform) for each in settings]
        collector = [GarbageCollector(GcSettings())] if len(apps) > 1 else []
        warm = {each.model_loading_folder for each in settings} | {each.warm_folder for each in settings}
        files = ChildFiles([*(each.folder for each in settings), *warm])
        apps[0] = replace(apps[0], background=(*apps[0].background, files, *collector))
        run(process, apps, metrics, platform.metrics)
    finally:
        platform.traces.close()


if __name__ == "__main__":
    installed = service_names()
    chosen = [name for name in sys.argv[1:] if name in installed]
    sys.exit(main(chosen or installed, [a for a in sys.argv[1:] if a not in installed]))
