"""Client of the registry over gRPC, and of the golden prompts in the artifact store."""

import hashlib
import json
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import grpc

from ratoon.common.v1.generation_pb2 import GenerationDefaults
from ratoon.process.errors import NotFound, RatoonError
from ratoon.registry.v1 import model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.service.parity import link_message
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon.storage.model_tree import weight_format
from ratoon.storage.models import ADAPTER_CONFIG, SMALL_CONFIGS
from ratoon.tasks.compute import Dtype
from ratoon.tasks.parity import Link
from ratoon_serving.application.ports import ServableVersion
from ratoon_serving.domain.attestation import Recording, recording
from ratoon_serving.domain.generation import Generation, PromptLimits
from ratoon_serving.domain.rollouts.model_spec import ModelSpec

_LOG = logging.getLogger(__name__)
_PRODUCTION = "production"
_SHAPE = ("config.json", "tokenizer.json", "chat_template.jinja")
"""Models with equal files of these names differ in their weights alone; files of an adapter override its base's."""


class RegistryModels:
    """Versions, golden prompts and the alias `production`."""

    def __init__(self, channel: grpc.Channel, artifacts: ArtifactStore, max_model_len: int) -> None:
        """`max_model_len`: maximum number of tokens of a sequence in engines, whatever the model supports."""
        self._registry = RegistryServiceStub(channel)
        self._artifacts, self._max_model_len = artifacts, max_model_len
        self._golden = lru_cache(maxsize=8)(self._read_golden)

    def version(self, name: str) -> ServableVersion:
        """Return a registered version."""
        version = self._registry.GetModelVersion(pb.GetModelVersionRequest(name=name))
        ready = version.state == model_version_pb2.ModelVersion.STATE_READY
        return ServableVersion(
            name,
            ready,
            version.artifact_digest,
            version.signature_digest,
            version.golden_digest,
            version.base_signature_digest,
            model_spec(self._artifacts, version.artifact_digest, version.base_artifact_digest)
            if ready
            else ModelSpec(),
            _generation(version.generation_defaults),
            PromptLimits(
                version.max_prompt_characters,
                version.max_prompt_tokens,
                min(version.context_tokens or self._max_model_len, self._max_model_len),
            ),
        )

    def golden(self, digest: str, dtype: Dtype) -> Recording:
        """Return the golden prompts that registration recorded, for engines of a number format."""
        return self._golden(digest, dtype)

    def record_parity(self, version: str, link: Link) -> None:
        """Add the measured parity of an engine to the certificate of its version; a failure is logged."""
        request = pb.RecordParityLinkRequest(name=version, link=link_message(link))
        try:
            self._registry.RecordParityLink(request)
        except RatoonError as error:
            _LOG.warning("The parity of %s was not recorded: %s", link.source, error)

    def production(self, model: str) -> str:
        """Return the version that `production` names; empty if there is none."""
        try:
            return str(
                self._registry.GetAlias(pb.GetAliasRequest(name=f"{model}/aliases/{_PRODUCTION}")).version
            )
        except NotFound:
            return ""

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        """Point `production` to this version."""
        name = f"{model}/aliases/{_PRODUCTION}"
        self._registry.SetAlias(
            pb.SetAliasRequest(name=name, version=version, reason=reason, request_id=request_id)
        )

    def _read_golden(self, digest: str, dtype: Dtype) -> Recording:
        return recording(json.loads(self._artifacts.read(digest)), dtype)


def _generation(defaults: GenerationDefaults) -> Generation:
    """Return the defaults that are set."""
    return Generation(**{field.name: value for field, value in defaults.ListFields()})


def model_spec(artifacts: ArtifactStore, artifact_digest: str, base_digest: str = "") -> ModelSpec:
    """Return the properties of an artifact that decide which versions it can replace."""
    own = {file.path: file for file in artifacts.tree(artifact_digest)}
    files = {file.path: file for file in artifacts.tree(base_digest)} if base_digest else own
    rank = _rank(artifacts, artifact_digest) if base_digest else 0
    read = {**files, **own}
    shape = ":".join(read[path].sha256 if path in read else "" for path in _SHAPE)
    shape = next((name for name in SMALL_CONFIGS if name in own), shape)
    size = sum(file.size for path, file in files.items() if path.endswith(".safetensors"))
    weights, dtype = _weights(artifacts, own)
    return ModelSpec(hashlib.sha256(shape.encode()).hexdigest(), base_digest, size, rank, weights, dtype)


def _weights(artifacts: ArtifactStore, files: Mapping[str, TreeFile]) -> tuple[str, Dtype | None]:
    """Return the format of weights of integers, and the number format for which a model was compressed."""
    if any(name in files for name in SMALL_CONFIGS):
        return "", None
    config, recipe = (_object(artifacts, files, name) for name in ("config.json", "recipe.json"))
    compression = recipe.get("compression")
    stated = compression.get("serving_dtype") if isinstance(compression, dict) else None
    return weight_format(config), Dtype(stated) if stated in tuple(Dtype) else None


def _object(artifacts: ArtifactStore, files: Mapping[str, TreeFile], name: str) -> dict[str, Any]:
    value = json.loads(artifacts.read(files[name].sha256)) if name in files else {}
    return value if isinstance(value, dict) else {}


def _rank(artifacts: ArtifactStore, artifact_digest: str) -> int:
    config = next(f.sha256 for f in artifacts.tree(artifact_digest) if f.path == ADAPTER_CONFIG)
    stated = json.loads(artifacts.read(config))
    patterns = stated.get("rank_pattern")
    return max([int(stated["r"]), *(int(rank) for rank in (patterns or {}).values())])
