"""Jobs that mix, plan, compare and export dataset versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version as installed_version

from ratoon.ingestion.v1.mixture_pb2 import MixturePlan
from ratoon.jobs.v1 import dataset_jobs_pb2 as pb
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.storage.names import project_of
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.application.composition_ports import DifferenceJob, MixtureJob
from ratoon_ingestion.application.exporting import ExportJob
from ratoon_ingestion.application.profiling import ProfileJob
from ratoon_ingestion.domain.exports import Exported, ExportedFile
from ratoon_ingestion.domain.profiles import Profiled
from ratoon_ingestion.mixture_messages import mixture_message


@dataclass(frozen=True)
class DatasetSpecs:
    """Specs of jobs."""

    keys: RecordKeys
    base: JobEnvironment

    def mixture(self, job: MixtureJob) -> JSON:
        """Return the spec of the build or the plan of a mixture."""
        spec = pb.MixtureSpec(
            version=job.version,
            mixture=mixture_message(job.mixture),
            digests=job.digests,
            record_key=self.keys.key_of(project_of(job.parent)).hex(),
            threshold=job.threshold,
            code_version=installed_version("ratoon-ingestion"),
        )
        environment = self._environment("mix" if job.version else "plan", job.parent)
        return spec_json(environment if job.version else _aside(environment), spec)

    def difference(self, job: DifferenceJob) -> JSON:
        """Return the spec of a comparison."""
        spec = pb.DifferenceSpec(
            base=job.base,
            version=job.version,
            base_parts=_parts(job.base_parts),
            parts=_parts(job.parts),
            kinds=job.kinds,
            after=job.after,
            limit=job.limit,
        )
        return spec_json(_aside(self._environment("compare", job.parent)), spec)

    def export(self, job: ExportJob) -> JSON:
        """Return the spec of an export."""
        export = job.export
        spec = pb.ExportSpec(
            export=export.name,
            title=export.split or export.dataset_version,
            version=job.version_digest,
            parts=_parts((part.value, digest) for part, digest in job.parts),
            format=export.format.value,
            tokenizer=export.tokenizer_digest,
            end_token=export.end_token,
            escape_formulas=export.escape_formulas,
            date=export.create_time.date().isoformat(),
            licenses=job.licenses,
            sealed_parts=job.sealed_parts,
        )
        return spec_json(self._environment("export", export.name), spec)

    def profile(self, job: ProfileJob) -> JSON:
        """Return the spec of a profile."""
        profile = job.profile
        spec = pb.ReportSpec(
            profile=profile.name,
            version=job.version_digest,
            label_set=profile.label_set_digest,
            sealed_parts=job.sealed_parts,
            topics=profile.topics,
        )
        return spec_json(self._environment("profile", profile.name), spec)

    def _environment(self, task: str, name: str) -> JobEnvironment:
        environment = JobEnvironment(task=task, tenant=project_of(name))
        environment.MergeFrom(self.base)
        return environment


def _aside(environment: JobEnvironment) -> JobEnvironment:
    """Return the environment of a job in the warm process of previews: it does not wait for long work."""
    environment.warm += "-preview"
    return environment


def _parts(parts: Iterable[tuple[str, str]]) -> list[pb.PartBlob]:
    return [pb.PartBlob(part=part, digest=digest) for part, digest in parts]


def plan(written: JSON) -> MixturePlan:
    """Return the result of a plan."""
    return from_json(MixturePlan, written)


def difference(written: JSON) -> pb.DifferenceResult:
    """Return the result of a comparison."""
    return from_json(pb.DifferenceResult, written)


def exported(written: JSON) -> Exported:
    """Return the result of an export."""
    result = from_json(pb.ExportResult, written)
    files = (ExportedFile(each.path, each.digest, each.size_bytes) for each in result.files)
    return Exported(result.artifact_digest, tuple(files), result.records, result.tokens)


def profiled(written: JSON) -> Profiled:
    """Return the result of a profile."""
    result = from_json(pb.ReportResult, written)
    return Profiled(result.report_digest, result.records, result.sealed)
