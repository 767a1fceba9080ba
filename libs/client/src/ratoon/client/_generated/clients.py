# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of the API as attributes of a client."""

from functools import cached_property
from typing import TYPE_CHECKING

from ratoon.client._transport import AsyncTransport, SyncTransport

if TYPE_CHECKING:
    from ratoon.client._generated.evaluation import (
        AsyncBadCasesResource,
        AsyncEvaluationRunsResource,
        AsyncJudgesResource,
        AsyncSuitesResource,
        BadCasesResource,
        EvaluationRunsResource,
        JudgesResource,
        SuitesResource,
    )
    from ratoon.client._generated.flywheel import (
        AsyncDriftReportsResource,
        AsyncExternalEventsResource,
        AsyncFeedbackResource,
        AsyncPipelineRunsResource,
        AsyncPoliciesResource,
        AsyncProjectsResource,
        AsyncTrafficSegmentsResource,
        DriftReportsResource,
        ExternalEventsResource,
        FeedbackResource,
        PipelineRunsResource,
        PoliciesResource,
        ProjectsResource,
        TrafficSegmentsResource,
    )
    from ratoon.client._generated.gateway import (
        ApiKeysResource,
        AsyncApiKeysResource,
        AsyncSafetyFilterResource,
        AsyncTokenResource,
        SafetyFilterResource,
        TokenResource,
    )
    from ratoon.client._generated.ingestion import (
        AsyncConnectionsResource,
        AsyncCrawlsResource,
        AsyncDatasetsResource,
        AsyncDatasetVersionsResource,
        AsyncDeadLettersResource,
        AsyncErasuresResource,
        AsyncExportsResource,
        AsyncProfilesResource,
        AsyncRecordDifferencesResource,
        AsyncRecordsResource,
        AsyncRejectionsResource,
        AsyncSourcesResource,
        AsyncSplitReadingsResource,
        AsyncSplitsResource,
        AsyncStreamsResource,
        ConnectionsResource,
        CrawlsResource,
        DatasetsResource,
        DatasetVersionsResource,
        DeadLettersResource,
        ErasuresResource,
        ExportsResource,
        ProfilesResource,
        RecordDifferencesResource,
        RecordsResource,
        RejectionsResource,
        SourcesResource,
        SplitReadingsResource,
        SplitsResource,
        StreamsResource,
    )
    from ratoon.client._generated.labeling import (
        AnnotationsResource,
        AsyncAnnotationsResource,
        AsyncGuidelinesResource,
        AsyncGuidelineVersionsResource,
        AsyncLabelSetsResource,
        AsyncQueuesResource,
        AsyncRefillsResource,
        AsyncTasksResource,
        GuidelinesResource,
        GuidelineVersionsResource,
        LabelSetsResource,
        QueuesResource,
        RefillsResource,
        TasksResource,
    )
    from ratoon.client._generated.registry import (
        AliasChangesResource,
        AliasesResource,
        AsyncAliasChangesResource,
        AsyncAliasesResource,
        AsyncModelsResource,
        AsyncModelVersionsResource,
        ModelsResource,
        ModelVersionsResource,
    )
    from ratoon.client._generated.serving import (
        AsyncDeploymentsResource,
        AsyncEnginesResource,
        AsyncRolloutsResource,
        DeploymentsResource,
        EnginesResource,
        RolloutsResource,
    )
    from ratoon.client._generated.training import (
        AsyncCompressionsResource,
        AsyncModelExportsResource,
        AsyncSweepsResource,
        AsyncTrainingRunMetricsResource,
        AsyncTrainingRunsResource,
        CompressionsResource,
        ModelExportsResource,
        SweepsResource,
        TrainingRunMetricsResource,
        TrainingRunsResource,
    )


class SyncResources:
    """Resources of the API as attributes of the synchronous client."""

    _transport: SyncTransport

    @cached_property
    def alias_changes(self) -> "AliasChangesResource":
        """One move of an alias."""
        from ratoon.client._generated.registry import AliasChangesResource

        return AliasChangesResource(self._transport)

    @cached_property
    def aliases(self) -> "AliasesResource":
        """Name that points to one version, for example `production`."""
        from ratoon.client._generated.registry import AliasesResource

        return AliasesResource(self._transport)

    @cached_property
    def annotations(self) -> "AnnotationsResource":
        """Answer that an annotator gave to a record."""
        from ratoon.client._generated.labeling import AnnotationsResource

        return AnnotationsResource(self._transport)

    @cached_property
    def api_keys(self) -> "ApiKeysResource":
        """API key of a caller. Only a hash of the secret is stored."""
        from ratoon.client._generated.gateway import ApiKeysResource

        return ApiKeysResource(self._transport)

    @cached_property
    def bad_cases(self) -> "BadCasesResource":
        """One wrong answer of the candidate."""
        from ratoon.client._generated.evaluation import BadCasesResource

        return BadCasesResource(self._transport)

    @cached_property
    def compressions(self) -> "CompressionsResource":
        """A model with its weights in a smaller form, measured beside the model from which it was made.

        The result is an artifact; `CreateModelVersion` registers it with the source as
        `lineage.derived_from`, where it is compared with the source within the tolerance of its number
        format.
        """
        from ratoon.client._generated.training import CompressionsResource

        return CompressionsResource(self._transport)

    @cached_property
    def connections(self) -> "ConnectionsResource":
        """Place with data that is read again and again: each reading with new data creates sources.

        Which places may be read, and with which credentials, is a setting of the operator
        (`RATOON_INGESTION_CONNECTION_ENDPOINTS`).
        """
        from ratoon.client._generated.ingestion import ConnectionsResource

        return ConnectionsResource(self._transport)

    @cached_property
    def crawls(self) -> "CrawlsResource":
        """Visit of web pages whose texts become a source.

        The crawler obeys `robots.txt` and waits between two requests to one host.
        """
        from ratoon.client._generated.ingestion import CrawlsResource

        return CrawlsResource(self._transport)

    @cached_property
    def dataset_versions(self) -> "DatasetVersionsResource":
        """Immutable set of curated records: Parquet files and a manifest, identified by a Merkle root."""
        from ratoon.client._generated.ingestion import DatasetVersionsResource

        return DatasetVersionsResource(self._transport)

    @cached_property
    def datasets(self) -> "DatasetsResource":
        """Series of dataset versions."""
        from ratoon.client._generated.ingestion import DatasetsResource

        return DatasetsResource(self._transport)

    @cached_property
    def dead_letters(self) -> "DeadLettersResource":
        """Message of a topic that gave no record, with its bytes."""
        from ratoon.client._generated.ingestion import DeadLettersResource

        return DeadLettersResource(self._transport)

    @cached_property
    def deployments(self) -> "DeploymentsResource":
        """Named endpoint at which a model is served. Callers select it with `model` in a request."""
        from ratoon.client._generated.serving import DeploymentsResource

        return DeploymentsResource(self._transport)

    @cached_property
    def drift_reports(self) -> "DriftReportsResource":
        """Divergence of a window of traffic from the training data, and from the traffic at the promotion of
        the version.
        """
        from ratoon.client._generated.flywheel import DriftReportsResource

        return DriftReportsResource(self._transport)

    @cached_property
    def engines(self) -> "EnginesResource":
        """One running model server."""
        from ratoon.client._generated.serving import EnginesResource

        return EnginesResource(self._transport)

    @cached_property
    def erasures(self) -> "ErasuresResource":
        """Erasure of records from all data of a project: sources, dataset versions, splits, and the data of
        other services.

        An erasure can be neither undone nor cancelled.
        """
        from ratoon.client._generated.ingestion import ErasuresResource

        return ErasuresResource(self._transport)

    @cached_property
    def evaluation_runs(self) -> "EvaluationRunsResource":
        """Scores of a model artifact and of baselines on test parts, and the verdict of a gate on these
        scores.
        """
        from ratoon.client._generated.evaluation import EvaluationRunsResource

        return EvaluationRunsResource(self._transport)

    @cached_property
    def exports(self) -> "ExportsResource":
        """Records of a dataset version or of parts of a split as files for other tools."""
        from ratoon.client._generated.ingestion import ExportsResource

        return ExportsResource(self._transport)

    @cached_property
    def external_events(self) -> "ExternalEventsResource":
        """Event of another system, as a CloudEvent 1.0 without its data.

        It starts a run of a policy whose `event_filters` match it, once by `source` and `event_id`. It waits
        while another run is in progress, and for the cool-down, the budget and the data of the policy, at
        most 7 days. One run takes all events that wait for its policy.
        """
        from ratoon.client._generated.flywheel import ExternalEventsResource

        return ExternalEventsResource(self._transport)

    @cached_property
    def feedback(self) -> "FeedbackResource":
        """Feedback of a user on an answer, on the better one of two answers, or on the answers of a session.

        A correction counts first, then the thumb, then the rating.
        """
        from ratoon.client._generated.flywheel import FeedbackResource

        return FeedbackResource(self._transport)

    @cached_property
    def guideline_versions(self) -> "GuidelineVersionsResource":
        """Version of a guideline, and what it means for the answers that were given under earlier ones."""
        from ratoon.client._generated.labeling import GuidelineVersionsResource

        return GuidelineVersionsResource(self._transport)

    @cached_property
    def guidelines(self) -> "GuidelinesResource":
        """Instructions for annotators, and what they enter."""
        from ratoon.client._generated.labeling import GuidelinesResource

        return GuidelinesResource(self._transport)

    @cached_property
    def judges(self) -> "JudgesResource":
        """Language model that judges answers: by an OpenAI-compatible endpoint, or a model artifact of the
        platform.

        Its creation compares it with the human ratings of the project; it cannot be changed.
        """
        from ratoon.client._generated.evaluation import JudgesResource

        return JudgesResource(self._transport)

    @cached_property
    def label_sets(self) -> "LabelSetsResource":
        """Frozen answers of a dataset version, one a record: the labels, texts or numbers that training
        uses.
        """
        from ratoon.client._generated.labeling import LabelSetsResource

        return LabelSetsResource(self._transport)

    @cached_property
    def model_exports(self) -> "ModelExportsResource":
        """A model as files for another program, compared with the model from which it was made by that
        program.

        The files are a tree of the artifact store; each can be downloaded by its digest.
        """
        from ratoon.client._generated.training import ModelExportsResource

        return ModelExportsResource(self._transport)

    @cached_property
    def model_versions(self) -> "ModelVersionsResource":
        """One version of a model: an artifact that was loaded, verified and signed before it can be used."""
        from ratoon.client._generated.registry import ModelVersionsResource

        return ModelVersionsResource(self._transport)

    @cached_property
    def models(self) -> "ModelsResource":
        """Series of model versions."""
        from ratoon.client._generated.registry import ModelsResource

        return ModelsResource(self._transport)

    @cached_property
    def pipeline_runs(self) -> "PipelineRunsResource":
        """One run of the pipeline: from data to a served model version, or to a refusal."""
        from ratoon.client._generated.flywheel import PipelineRunsResource

        return PipelineRunsResource(self._transport)

    @cached_property
    def policies(self) -> "PoliciesResource":
        """Conditions under which a pipeline run starts automatically.

        A run starts once the trigger window has settled, so that it learns from all of its traffic.
        """
        from ratoon.client._generated.flywheel import PoliciesResource

        return PoliciesResource(self._transport)

    @cached_property
    def profiles(self) -> "ProfilesResource":
        """Statistical profile of a dataset version. Records of test parts are left out."""
        from ratoon.client._generated.ingestion import ProfilesResource

        return ProfilesResource(self._transport)

    @cached_property
    def projects(self) -> "ProjectsResource":
        """Purpose of a model and the requirements that its versions must meet."""
        from ratoon.client._generated.flywheel import ProjectsResource

        return ProjectsResource(self._transport)

    @cached_property
    def queues(self) -> "QueuesResource":
        """Records that people label: a source of records, rules by which they become tasks, and the counts
        of these tasks.
        """
        from ratoon.client._generated.labeling import QueuesResource

        return QueuesResource(self._transport)

    @cached_property
    def record_differences(self) -> "RecordDifferencesResource":
        """Difference of one record."""
        from ratoon.client._generated.ingestion import RecordDifferencesResource

        return RecordDifferencesResource(self._transport)

    @cached_property
    def records(self) -> "RecordsResource":
        """One curated record."""
        from ratoon.client._generated.ingestion import RecordsResource

        return RecordsResource(self._transport)

    @cached_property
    def refills(self) -> "RefillsResource":
        """One drawing of records into a queue, by a job."""
        from ratoon.client._generated.labeling import RefillsResource

        return RefillsResource(self._transport)

    @cached_property
    def rejections(self) -> "RejectionsResource":
        """Item that became no record."""
        from ratoon.client._generated.ingestion import RejectionsResource

        return RejectionsResource(self._transport)

    @cached_property
    def rollouts(self) -> "RolloutsResource":
        """Change of a deployment from one version to another."""
        from ratoon.client._generated.serving import RolloutsResource

        return RolloutsResource(self._transport)

    @cached_property
    def safety_filter(self) -> "SafetyFilterResource":
        """Words and phrases that are not allowed in prompts and answers of a project.

        Matching ignores case, accents and white space.
        """
        from ratoon.client._generated.gateway import SafetyFilterResource

        return SafetyFilterResource(self._transport)

    @cached_property
    def sources(self) -> "SourcesResource":
        """Raw items, uploaded as one blob, and the settings to read them."""
        from ratoon.client._generated.ingestion import SourcesResource

        return SourcesResource(self._transport)

    @cached_property
    def split_readings(self) -> "SplitReadingsResource":
        """Logged reading of a part of a split."""
        from ratoon.client._generated.ingestion import SplitReadingsResource

        return SplitReadingsResource(self._transport)

    @cached_property
    def splits(self) -> "SplitsResource":
        """Division of a labelled dataset version into three parts. The test part is sealed."""
        from ratoon.client._generated.ingestion import SplitsResource

        return SplitsResource(self._transport)

    @cached_property
    def streams(self) -> "StreamsResource":
        """Records that programs append one by one or in batches.

        Appended records are collected in a segment; a sealed segment is a source in the format JSONL.
        """
        from ratoon.client._generated.ingestion import StreamsResource

        return StreamsResource(self._transport)

    @cached_property
    def suites(self) -> "SuitesResource":
        """Named list of tests that evaluation runs apply to models in addition to the test parts of their
        domains.

        A run uses the suite as it was when the run was created.
        """
        from ratoon.client._generated.evaluation import SuitesResource

        return SuitesResource(self._transport)

    @cached_property
    def sweeps(self) -> "SweepsResource":
        """Search for the settings of a training recipe.

        Each trial is a training run with settings of its own; trials are compared by a metric of the
        validation part. A sweep has no access to a test part.
        """
        from ratoon.client._generated.training import SweepsResource

        return SweepsResource(self._transport)

    @cached_property
    def tasks(self) -> "TasksResource":
        """Record that annotators are asked to answer, or whose answers they are asked to rate."""
        from ratoon.client._generated.labeling import TasksResource

        return TasksResource(self._transport)

    @cached_property
    def token(self) -> "TokenResource":
        """Token."""
        from ratoon.client._generated.gateway import TokenResource

        return TokenResource(self._transport)

    @cached_property
    def traffic_segments(self) -> "TrafficSegmentsResource":
        """Closed segment of captured traffic in the artifact store."""
        from ratoon.client._generated.flywheel import TrafficSegmentsResource

        return TrafficSegmentsResource(self._transport)

    @cached_property
    def training_run_metrics(self) -> "TrainingRunMetricsResource":
        """Measurements of one name over the steps of a training run."""
        from ratoon.client._generated.training import TrainingRunMetricsResource

        return TrainingRunMetricsResource(self._transport)

    @cached_property
    def training_runs(self) -> "TrainingRunsResource":
        """Training of one model on one split."""
        from ratoon.client._generated.training import TrainingRunsResource

        return TrainingRunsResource(self._transport)


class AsyncResources:
    """Resources of the API as attributes of the asynchronous client."""

    _transport: AsyncTransport

    @cached_property
    def alias_changes(self) -> "AsyncAliasChangesResource":
        """One move of an alias."""
        from ratoon.client._generated.registry import AsyncAliasChangesResource

        return AsyncAliasChangesResource(self._transport)

    @cached_property
    def aliases(self) -> "AsyncAliasesResource":
        """Name that points to one version, for example `production`."""
        from ratoon.client._generated.registry import AsyncAliasesResource

        return AsyncAliasesResource(self._transport)

    @cached_property
    def annotations(self) -> "AsyncAnnotationsResource":
        """Answer that an annotator gave to a record."""
        from ratoon.client._generated.labeling import AsyncAnnotationsResource

        return AsyncAnnotationsResource(self._transport)

    @cached_property
    def api_keys(self) -> "AsyncApiKeysResource":
        """API key of a caller. Only a hash of the secret is stored."""
        from ratoon.client._generated.gateway import AsyncApiKeysResource

        return AsyncApiKeysResource(self._transport)

    @cached_property
    def bad_cases(self) -> "AsyncBadCasesResource":
        """One wrong answer of the candidate."""
        from ratoon.client._generated.evaluation import AsyncBadCasesResource

        return AsyncBadCasesResource(self._transport)

    @cached_property
    def compressions(self) -> "AsyncCompressionsResource":
        """A model with its weights in a smaller form, measured beside the model from which it was made.

        The result is an artifact; `CreateModelVersion` registers it with the source as
        `lineage.derived_from`, where it is compared with the source within the tolerance of its number
        format.
        """
        from ratoon.client._generated.training import AsyncCompressionsResource

        return AsyncCompressionsResource(self._transport)

    @cached_property
    def connections(self) -> "AsyncConnectionsResource":
        """Place with data that is read again and again: each reading with new data creates sources.

        Which places may be read, and with which credentials, is a setting of the operator
        (`RATOON_INGESTION_CONNECTION_ENDPOINTS`).
        """
        from ratoon.client._generated.ingestion import AsyncConnectionsResource

        return AsyncConnectionsResource(self._transport)

    @cached_property
    def crawls(self) -> "AsyncCrawlsResource":
        """Visit of web pages whose texts become a source.

        The crawler obeys `robots.txt` and waits between two requests to one host.
        """
        from ratoon.client._generated.ingestion import AsyncCrawlsResource

        return AsyncCrawlsResource(self._transport)

    @cached_property
    def dataset_versions(self) -> "AsyncDatasetVersionsResource":
        """Immutable set of curated records: Parquet files and a manifest, identified by a Merkle root."""
        from ratoon.client._generated.ingestion import AsyncDatasetVersionsResource

        return AsyncDatasetVersionsResource(self._transport)

    @cached_property
    def datasets(self) -> "AsyncDatasetsResource":
        """Series of dataset versions."""
        from ratoon.client._generated.ingestion import AsyncDatasetsResource

        return AsyncDatasetsResource(self._transport)

    @cached_property
    def dead_letters(self) -> "AsyncDeadLettersResource":
        """Message of a topic that gave no record, with its bytes."""
        from ratoon.client._generated.ingestion import AsyncDeadLettersResource

        return AsyncDeadLettersResource(self._transport)

    @cached_property
    def deployments(self) -> "AsyncDeploymentsResource":
        """Named endpoint at which a model is served. Callers select it with `model` in a request."""
        from ratoon.client._generated.serving import AsyncDeploymentsResource

        return AsyncDeploymentsResource(self._transport)

    @cached_property
    def drift_reports(self) -> "AsyncDriftReportsResource":
        """Divergence of a window of traffic from the training data, and from the traffic at the promotion of
        the version.
        """
        from ratoon.client._generated.flywheel import AsyncDriftReportsResource

        return AsyncDriftReportsResource(self._transport)

    @cached_property
    def engines(self) -> "AsyncEnginesResource":
        """One running model server."""
        from ratoon.client._generated.serving import AsyncEnginesResource

        return AsyncEnginesResource(self._transport)

    @cached_property
    def erasures(self) -> "AsyncErasuresResource":
        """Erasure of records from all data of a project: sources, dataset versions, splits, and the data of
        other services.

        An erasure can be neither undone nor cancelled.
        """
        from ratoon.client._generated.ingestion import AsyncErasuresResource

        return AsyncErasuresResource(self._transport)

    @cached_property
    def evaluation_runs(self) -> "AsyncEvaluationRunsResource":
        """Scores of a model artifact and of baselines on test parts, and the verdict of a gate on these
        scores.
        """
        from ratoon.client._generated.evaluation import AsyncEvaluationRunsResource

        return AsyncEvaluationRunsResource(self._transport)

    @cached_property
    def exports(self) -> "AsyncExportsResource":
        """Records of a dataset version or of parts of a split as files for other tools."""
        from ratoon.client._generated.ingestion import AsyncExportsResource

        return AsyncExportsResource(self._transport)

    @cached_property
    def external_events(self) -> "AsyncExternalEventsResource":
        """Event of another system, as a CloudEvent 1.0 without its data.

        It starts a run of a policy whose `event_filters` match it, once by `source` and `event_id`. It waits
        while another run is in progress, and for the cool-down, the budget and the data of the policy, at
        most 7 days. One run takes all events that wait for its policy.
        """
        from ratoon.client._generated.flywheel import AsyncExternalEventsResource

        return AsyncExternalEventsResource(self._transport)

    @cached_property
    def feedback(self) -> "AsyncFeedbackResource":
        """Feedback of a user on an answer, on the better one of two answers, or on the answers of a session.

        A correction counts first, then the thumb, then the rating.
        """
        from ratoon.client._generated.flywheel import AsyncFeedbackResource

        return AsyncFeedbackResource(self._transport)

    @cached_property
    def guideline_versions(self) -> "AsyncGuidelineVersionsResource":
        """Version of a guideline, and what it means for the answers that were given under earlier ones."""
        from ratoon.client._generated.labeling import AsyncGuidelineVersionsResource

        return AsyncGuidelineVersionsResource(self._transport)

    @cached_property
    def guidelines(self) -> "AsyncGuidelinesResource":
        """Instructions for annotators, and what they enter."""
        from ratoon.client._generated.labeling import AsyncGuidelinesResource

        return AsyncGuidelinesResource(self._transport)

    @cached_property
    def judges(self) -> "AsyncJudgesResource":
        """Language model that judges answers: by an OpenAI-compatible endpoint, or a model artifact of the
        platform.

        Its creation compares it with the human ratings of the project; it cannot be changed.
        """
        from ratoon.client._generated.evaluation import AsyncJudgesResource

        return AsyncJudgesResource(self._transport)

    @cached_property
    def label_sets(self) -> "AsyncLabelSetsResource":
        """Frozen answers of a dataset version, one a record: the labels, texts or numbers that training
        uses.
        """
        from ratoon.client._generated.labeling import AsyncLabelSetsResource

        return AsyncLabelSetsResource(self._transport)

    @cached_property
    def model_exports(self) -> "AsyncModelExportsResource":
        """A model as files for another program, compared with the model from which it was made by that
        program.

        The files are a tree of the artifact store; each can be downloaded by its digest.
        """
        from ratoon.client._generated.training import AsyncModelExportsResource

        return AsyncModelExportsResource(self._transport)

    @cached_property
    def model_versions(self) -> "AsyncModelVersionsResource":
        """One version of a model: an artifact that was loaded, verified and signed before it can be used."""
        from ratoon.client._generated.registry import AsyncModelVersionsResource

        return AsyncModelVersionsResource(self._transport)

    @cached_property
    def models(self) -> "AsyncModelsResource":
        """Series of model versions."""
        from ratoon.client._generated.registry import AsyncModelsResource

        return AsyncModelsResource(self._transport)

    @cached_property
    def pipeline_runs(self) -> "AsyncPipelineRunsResource":
        """One run of the pipeline: from data to a served model version, or to a refusal."""
        from ratoon.client._generated.flywheel import AsyncPipelineRunsResource

        return AsyncPipelineRunsResource(self._transport)

    @cached_property
    def policies(self) -> "AsyncPoliciesResource":
        """Conditions under which a pipeline run starts automatically.

        A run starts once the trigger window has settled, so that it learns from all of its traffic.
        """
        from ratoon.client._generated.flywheel import AsyncPoliciesResource

        return AsyncPoliciesResource(self._transport)

    @cached_property
    def profiles(self) -> "AsyncProfilesResource":
        """Statistical profile of a dataset version. Records of test parts are left out."""
        from ratoon.client._generated.ingestion import AsyncProfilesResource

        return AsyncProfilesResource(self._transport)

    @cached_property
    def projects(self) -> "AsyncProjectsResource":
        """Purpose of a model and the requirements that its versions must meet."""
        from ratoon.client._generated.flywheel import AsyncProjectsResource

        return AsyncProjectsResource(self._transport)

    @cached_property
    def queues(self) -> "AsyncQueuesResource":
        """Records that people label: a source of records, rules by which they become tasks, and the counts
        of these tasks.
        """
        from ratoon.client._generated.labeling import AsyncQueuesResource

        return AsyncQueuesResource(self._transport)

    @cached_property
    def record_differences(self) -> "AsyncRecordDifferencesResource":
        """Difference of one record."""
        from ratoon.client._generated.ingestion import AsyncRecordDifferencesResource

        return AsyncRecordDifferencesResource(self._transport)

    @cached_property
    def records(self) -> "AsyncRecordsResource":
        """One curated record."""
        from ratoon.client._generated.ingestion import AsyncRecordsResource

        return AsyncRecordsResource(self._transport)

    @cached_property
    def refills(self) -> "AsyncRefillsResource":
        """One drawing of records into a queue, by a job."""
        from ratoon.client._generated.labeling import AsyncRefillsResource

        return AsyncRefillsResource(self._transport)

    @cached_property
    def rejections(self) -> "AsyncRejectionsResource":
        """Item that became no record."""
        from ratoon.client._generated.ingestion import AsyncRejectionsResource

        return AsyncRejectionsResource(self._transport)

    @cached_property
    def rollouts(self) -> "AsyncRolloutsResource":
        """Change of a deployment from one version to another."""
        from ratoon.client._generated.serving import AsyncRolloutsResource

        return AsyncRolloutsResource(self._transport)

    @cached_property
    def safety_filter(self) -> "AsyncSafetyFilterResource":
        """Words and phrases that are not allowed in prompts and answers of a project.

        Matching ignores case, accents and white space.
        """
        from ratoon.client._generated.gateway import AsyncSafetyFilterResource

        return AsyncSafetyFilterResource(self._transport)

    @cached_property
    def sources(self) -> "AsyncSourcesResource":
        """Raw items, uploaded as one blob, and the settings to read them."""
        from ratoon.client._generated.ingestion import AsyncSourcesResource

        return AsyncSourcesResource(self._transport)

    @cached_property
    def split_readings(self) -> "AsyncSplitReadingsResource":
        """Logged reading of a part of a split."""
        from ratoon.client._generated.ingestion import AsyncSplitReadingsResource

        return AsyncSplitReadingsResource(self._transport)

    @cached_property
    def splits(self) -> "AsyncSplitsResource":
        """Division of a labelled dataset version into three parts. The test part is sealed."""
        from ratoon.client._generated.ingestion import AsyncSplitsResource

        return AsyncSplitsResource(self._transport)

    @cached_property
    def streams(self) -> "AsyncStreamsResource":
        """Records that programs append one by one or in batches.

        Appended records are collected in a segment; a sealed segment is a source in the format JSONL.
        """
        from ratoon.client._generated.ingestion import AsyncStreamsResource

        return AsyncStreamsResource(self._transport)

    @cached_property
    def suites(self) -> "AsyncSuitesResource":
        """Named list of tests that evaluation runs apply to models in addition to the test parts of their
        domains.

        A run uses the suite as it was when the run was created.
        """
        from ratoon.client._generated.evaluation import AsyncSuitesResource

        return AsyncSuitesResource(self._transport)

    @cached_property
    def sweeps(self) -> "AsyncSweepsResource":
        """Search for the settings of a training recipe.

        Each trial is a training run with settings of its own; trials are compared by a metric of the
        validation part. A sweep has no access to a test part.
        """
        from ratoon.client._generated.training import AsyncSweepsResource

        return AsyncSweepsResource(self._transport)

    @cached_property
    def tasks(self) -> "AsyncTasksResource":
        """Record that annotators are asked to answer, or whose answers they are asked to rate."""
        from ratoon.client._generated.labeling import AsyncTasksResource

        return AsyncTasksResource(self._transport)

    @cached_property
    def token(self) -> "AsyncTokenResource":
        """Token."""
        from ratoon.client._generated.gateway import AsyncTokenResource

        return AsyncTokenResource(self._transport)

    @cached_property
    def traffic_segments(self) -> "AsyncTrafficSegmentsResource":
        """Closed segment of captured traffic in the artifact store."""
        from ratoon.client._generated.flywheel import AsyncTrafficSegmentsResource

        return AsyncTrafficSegmentsResource(self._transport)

    @cached_property
    def training_run_metrics(self) -> "AsyncTrainingRunMetricsResource":
        """Measurements of one name over the steps of a training run."""
        from ratoon.client._generated.training import AsyncTrainingRunMetricsResource

        return AsyncTrainingRunMetricsResource(self._transport)

    @cached_property
    def training_runs(self) -> "AsyncTrainingRunsResource":
        """Training of one model on one split."""
        from ratoon.client._generated.training import AsyncTrainingRunsResource

        return AsyncTrainingRunsResource(self._transport)
