"""Settings file of an engine in a pod: `engine.json` in its Secret. Settings of the pool are variables of the pod."""

import json
from collections.abc import Collection

from ratoon_serving.adapters.engine_file import identity
from ratoon_serving.domain.engine import Engine

_TEMPLATE = "chat_template.jinja"


def pod_file(engine: Engine, own_files: Collection[str]) -> str:
    """Return the content of the file; `own_files` are the paths in an adapter's artifact, for its chat template."""
    model = engine.base_digest or engine.artifact_digest
    templated = engine.is_adapter and _TEMPLATE in own_files
    settings = {
        **identity(engine),
        "model": model,
        "chat_template": f"{engine.artifact_digest}/{_TEMPLATE}" if templated else "",
        "trees": _trees(engine),
        "starts_closed": True,
        "socket": "",
        "public_key": "",
    }
    return json.dumps(settings, indent=1, sort_keys=True)


def _trees(engine: Engine) -> dict[str, str]:
    own = {engine.artifact_digest: engine.signature_digest}
    return {engine.base_digest: engine.base_signature_digest, **own} if engine.is_adapter else own
