"""The seven services behind a real gateway, answering from memory: every method of the contracts, served by its
HTTP path and its verb. The gateway in front is the real one, so keys, roles, JSON, watches and errors are, too.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.serving.v1 import route_pb2
from services.console.tests.resources import JSON, Resources

Method = Callable[["Memory", JSON], JSON]


def _report_of_profile(memory: "Memory", fields: JSON) -> JSON:
    return memory.resources[fields["name"].replace("/profiles/", "/reports/")]


def _same(memory: "Memory", fields: JSON) -> JSON:
    return memory.resources[fields["name"]]


def _summary(_memory: "Memory", fields: JSON) -> JSON:
    layer = {"name": "model.embed_tokens.weight", "dtype": "F32", "shape": ["320", "64"], "trained": True}
    return {
        "name": fields["name"],
        "architecture": "LlamaForCausalLM",
        "parameterCount": "20480",
        "trainedParameterCount": "20480",
        "layers": [{**layer, "parameterCount": "20480"}],
    }


def _neighbours(_memory: "Memory", fields: JSON) -> JSON:
    nearest = [{"token": "Ġprizes", "tokenId": 7, "cosine": 0.91}]
    return {"name": fields["name"], "token": f"Ġ{fields['token']}", "tokenId": 5, "neighbours": nearest}


CERTIFICATE: JSON = {
    "verdict": "VERDICT_BEYOND",
    "links": [
        {
            "step": "STEP_TRAIN",
            "format": "float32",
            "runtime": "transformers 5.0",
            "verdict": "VERDICT_WITHIN",
        },
        {
            "step": "STEP_SERVE",
            "format": "bfloat16",
            "runtime": "vllm 1.0",
            "verdict": "VERDICT_BEYOND",
            "reason": "LOGPROBS_DIFFER",
            "message": "Log-probabilities differ by 2.5000 nats at most; accepted are 1.",
            "comparison": {"places": 64, "equalPlaces": 60, "maxDifference": 2.5, "meanDifference": 0.04},
            "tolerance": {"token": 1.0, "mean": 0.1, "agreement": 1.0},
        },
    ],
}
"""Parity certificate of a version."""


def _certificate(_memory: "Memory", fields: JSON) -> JSON:
    return {"name": fields["name"], **CERTIFICATE}


class Memory(Resources, grpc.GenericRpcHandler):
    """Resources as JSON by name, in the order they came."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, JSON]] = []
        self.routes = route_pb2.RouteTable(version=1)
        self.away = False
        self.own: dict[str, Method] = {
            "GetProfileReport": _report_of_profile,
            "CloneTrainingRun": _same,
            "DescribeModelVersion": _summary,
            "FindTokenNeighbours": _neighbours,
            "GetParityCertificate": _certificate,
        }

    def route(self, *routes: route_pb2.Route) -> None:
        """Publish a route table."""
        with self.changed:
            self.routes = route_pb2.RouteTable(version=self.routes.version + 1, routes=routes)
            self.changed.notify_all()

    def called(self, *methods: str) -> list[JSON]:
        """The requests of some methods so far."""
        return [request for name, request in self.calls if name in methods]

    def serve(self, address: str) -> grpc.Server:
        """Serve all services at one address."""
        server = grpc.server(ThreadPoolExecutor(64))
        server.add_generic_rpc_handlers([self])
        server.add_insecure_port(address)
        server.start()
        return server

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """What serves a method."""
        service, _, name = call.method.lstrip("/").partition("/")
        try:
            method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
        except KeyError:
            return None
        options = {
            "request_deserializer": GetMessageClass(method.input_type).FromString,
            "response_serializer": lambda message: message.SerializeToString(),
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._watch(method, request, context), **options
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(method, request, context), **options
        )

    def _answer(self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext) -> Message:
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        fields = json_format.MessageToDict(request)
        if not method.name.startswith("Report"):
            self.calls.append((method.name, fields))
        try:
            response = self._response(method, fields)
        except KeyError as missing:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{missing.args[0]} does not exist.")
        except PermissionError as refused:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(refused))
        return json_format.ParseDict(
            response, GetMessageClass(method.output_type)(), ignore_unknown_fields=True
        )

    def _response(self, method: MethodDescriptor, fields: JSON) -> JSON:
        if method.name in self.own:
            return self.own[method.name](self, fields)
        if method.name == "SummarizeTasks":
            return self.summary(fields["parent"])
        if method.name == "SummarizeRatings":
            return {}
        if method.name == "ClaimTask":
            return self.claimed(
                fields["parent"],
                fields.get("reason", ""),
                fields.get("queue", ""),
                fields.get("otherThan", []),
            )
        if method.name.startswith("List"):
            return self._listed(method, fields)
        if method.name == "GetRecord":
            return self.resources[f"{fields['parent']}/records/{fields['recordId']}"]
        if method.name.startswith("Get") and "name" in fields:
            return self.resources[fields["name"]]
        if method.name.startswith("Create"):
            return self._created(method, fields)
        if method.name.startswith("Update"):
            changed = next(value for value in fields.values() if isinstance(value, dict))
            return self.put(**changed)
        return {}

    def _listed(self, method: MethodDescriptor, fields: JSON) -> JSON:
        parent = fields.get("parent", "")
        field = next(field for field in method.output_type.fields if field.is_repeated)
        collection = "/".join(filter(None, (parent, _collection(method))))
        resources = self.listed(collection, fields.get("orderBy", ""), fields.get("filter", ""))
        size = int(fields.get("pageSize", 100))
        start = int(fields.get("pageToken") or 0)
        more = str(start + size) if len(resources) > start + size else ""
        return {field.json_name: resources[start : start + size], "nextPageToken": more}

    def _created(self, method: MethodDescriptor, fields: JSON) -> JSON:
        body = next((value for value in fields.values() if isinstance(value, dict)), {})
        id_ = next((v for key, v in fields.items() if key.endswith("Id") and key != "requestId"), "")
        parent = fields.get("parent", "")
        return self.put(f"{parent}/{_collection(method)}/{id_ or uuid.uuid4()}", **body)

    def _watch(
        self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext
    ) -> Iterator[Message]:
        if method.name == "WatchRouteTable":
            yield from self._route_tables(context)
            return
        kind, revision = GetMessageClass(method.output_type), -1
        while context.is_active() and not self.away:
            with self.changed:
                value = self.resources.get(request.name)
                if value is not None and int(value["revision"]) == revision:
                    self.changed.wait(0.2)
                    continue
            if value is None:
                context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} does not exist.")
            revision = int(value["revision"])
            yield json_format.ParseDict(value, kind(), ignore_unknown_fields=True)

    def _route_tables(self, context: grpc.ServicerContext) -> Iterator[route_pb2.RouteTable]:
        version = 0
        while context.is_active():
            with self.changed:
                if self.routes.version == version:
                    self.changed.wait(0.2)
                    continue
                table = self.routes
            version = table.version
            yield table


def _collection(method: MethodDescriptor) -> str:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return (rule.get or rule.post).rpartition("/")[2]
