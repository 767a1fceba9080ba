"""The part of ingestion's gRPC API that profiles dataset versions."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import profile_pb2
from ratoon.operations.job_messages import from_json
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.watch import Changes
from ratoon_ingestion import profile_messages
from ratoon_ingestion.application import profiling
from ratoon_ingestion.application.ports import Records
from ratoon_ingestion.application.sealing import Seals
from ratoon_ingestion.domain.profiles import Profile

Context = Any


@dataclass(frozen=True)
class ProfilePorts:
    """Ports of the handlers behind these methods."""

    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    records: Records
    reports: profiling.Reports
    seals: Seals


class ProfileMethods:
    """Answers the methods of `ratoon.ingestion.v1.IngestionService` that concern profiles."""

    def __init__(self, ports: ProfilePorts) -> None:
        self._profile = ports
        self._profiles = StandardMethods(
            ports.seals.store,
            ports.threads,
            Profile,
            profiling.PROFILE,
            profile_messages.profile_message,
            lambda profile: profile.state.ended,
        )

    async def CreateProfile(self, request: pb.CreateProfileRequest, context: Context) -> profile_pb2.Profile:
        """Start a profile."""
        ports = self._profile
        command = profile_messages.create_profile(request)
        created = await ports.threads(
            profiling.create_profile, command, ports.seals.store, ports.operations, ports.clock
        )
        return profile_messages.profile_message(created)

    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> profile_pb2.Profile:
        """One profile."""
        return await self._profiles.get(request)

    async def ListProfiles(
        self, request: pb.ListProfilesRequest, context: Context
    ) -> pb.ListProfilesResponse:
        """The profiles of a dataset."""
        page = await self._profiles.list(request)
        return pb.ListProfilesResponse(profiles=page.items, next_page_token=page.next_token)

    async def WatchProfile(
        self, request: pb.WatchProfileRequest, context: Context
    ) -> AsyncIterator[profile_pb2.Profile]:
        """A profile's state, then each newer one, until it has ended."""
        async for state in self._profiles.watch(request, self._profile.changes):
            yield state

    async def CancelProfile(self, request: pb.CancelProfileRequest, context: Context) -> profile_pb2.Profile:
        """Cancel a profile."""
        return await self._profiles.cancel(request, self._profile.operations)

    async def DeleteProfile(
        self, request: pb.DeleteProfileRequest, context: Context
    ) -> pb.DeleteProfileResponse:
        """Delete a profile that has ended."""
        await self._profiles.delete(request, profiling.delete_profile)
        return pb.DeleteProfileResponse()

    async def GetProfileReport(
        self, request: pb.GetProfileReportRequest, context: Context
    ) -> profile_pb2.ProfileReport:
        """The report of a profile, with the starts of texts that may be read now."""
        return await self._profile.threads(_report, request.name, self._profile)


def _report(name: str, ports: ProfilePorts) -> profile_pb2.ProfileReport:
    profile, written = profiling.stored_report(name, ports.seals.store, ports.reports)
    report = from_json(profile_pb2.ProfileReport, json.loads(written))
    records = profiling.shown_records(
        profile, profile_messages.record_ids(report), ports.records, ports.seals
    )
    report.dataset_version = profile.dataset_version
    return profile_messages.shown_report(report, records)
