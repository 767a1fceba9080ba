"""Names of Ray Train outside its public API that `trainer` overrides.

Ray promises none of them. A test looks each of them up in the source of the installed version.
"""

USED = {
    "ray.train.v2._internal.callbacks.datasets": ("DatasetsCallback",),
    "ray.train.v2._internal.callbacks.placement_group_callback": ("PlacementGroupCleanerCallback",),
    "ray.train.v2._internal.execution.scaling_policy": (
        "FixedScalingPolicy",
        "NoopDecision",
        "ResizeDecision",
        "ScalingDecision",
    ),
    "ray.train.v2.api.config": ("ScalingConfig._resources_per_worker_not_none",),
    "ray.train.v2._internal.execution.scaling_policy.scaling_policy": (
        "ScalingPolicy._maybe_send_resource_request",
        "ScalingPolicy.after_controller_start(train_run_context)",
        "ScalingPolicy.make_decision_for_non_running_worker_group",
        "ScalingPolicy.make_decision_for_running_worker_group",
    ),
    "ray.train.v2.api.data_parallel_trainer": (
        "DataParallelTrainer._create_default_callbacks",
        "DataParallelTrainer._initialize_and_run_controller",
        "DataParallelTrainer.scaling_config",
    ),
}
"""Names by module, as `ratoon.testkit.sources` writes them."""
