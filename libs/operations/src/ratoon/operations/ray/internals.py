"""Calls into Ray outside its public API: single nodes, started without what a command of Ray starts with them.

Ray promises none of these names. `USED` lists them; a test looks each of them up in the source of the installed
version. Ray reads its environment when it is first imported, so the imports are local.
"""

import logging
from pathlib import Path
from typing import Any

USED = {
    "ray._private.node": (
        "Node.__init__(ray_params)",
        "Node.__init__(head)",
        "Node.__init__(shutdown_at_exit)",
        "Node.__init__(spawn_reaper)",
        "Node.__init__(ray_init_cluster)",
        "Node._webui_url",
        "Node.gcs_address",
        "Node.start_api_server",
    ),
    "ray._private.parameter": tuple(
        f"RayParams.__init__({parameter})"
        for parameter in (
            "_system_config",
            "dashboard_agent_listen_port",
            "gcs_address",
            "gcs_server_port",
            "include_dashboard",
            "include_log_monitor",
            "no_monitor",
            "node_ip_address",
            "num_cpus",
            "num_gpus",
            "object_store_memory",
            "resources",
            "temp_dir",
        )
    ),
    "ray._private.worker": ("init(address)", "init(log_to_driver)", "init(configure_logging)"),
}
"""Names by module, as `ratoon.testkit.sources` writes them."""


def start_node(*, head: bool = False, **parameters: Any) -> str:
    """Start the processes of one node as children of this process; returns the address of its cluster (GCS)."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    node = Node(RayParams(**parameters), head=head, shutdown_at_exit=True, spawn_reaper=True)
    return str(node.gcs_address)


def start_own_head(**parameters: Any) -> str:
    """Start the head of a cluster that is this process's own, without the API server of the dashboard."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    class QuietNode(Node):
        """Head node on which no API server runs: nothing here calls it."""

        def start_api_server(self, **_: Any) -> None:
            """Start nothing."""
            self._webui_url = None

    params = RayParams(
        **parameters,
        _system_config={"prestart_worker_first_driver": False, "enable_metrics_collection": False},
    )
    node = QuietNode(params, head=True, shutdown_at_exit=True, spawn_reaper=True, ray_init_cluster=True)
    return str(node.gcs_address)


def connect(address: str, session: Path | None = None) -> None:
    """Connect this process to a node on this machine; `session` is the directory of one that joined a cluster."""
    import ray

    options = {"_temp_dir": str(session)} if session else {}
    ray.init(
        address=address,
        log_to_driver=False,
        logging_level=logging.WARNING,
        configure_logging=False,
        **options,
    )
