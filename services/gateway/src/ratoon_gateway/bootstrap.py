"""Puts the gateway together: the only file that knows concrete adapters."""

import uuid
from dataclasses import dataclass, replace

import uvloop

from ratoon.events.ports import Record
from ratoon.gateway.v1.gateway_service_pb2_grpc import add_GatewayServiceServicer_to_server
from ratoon.runtime.connections import ConnectionLimits
from ratoon.runtime.lifecycle import App, Background, Rpc
from ratoon.security.answers import AnswerIds
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon_gateway.adapters import tables
from ratoon_gateway.adapters.engines import EngineClient
from ratoon_gateway.adapters.flywheel import FlywheelEvents, FlywheelFeedback, SegmentAnnouncer
from ratoon_gateway.adapters.key_ring import KeyRing
from ratoon_gateway.adapters.metrics import GatewayMetrics, shadow_counter, token_counter, webhook_counter
from ratoon_gateway.adapters.outbound import Outbound
from ratoon_gateway.adapters.peers import Peers
from ratoon_gateway.adapters.projects import FlywheelProjects
from ratoon_gateway.adapters.routes import LiveRoutes, RouteWatcher
from ratoon_gateway.adapters.segments import SegmentCapture
from ratoon_gateway.adapters.serving import Activator, TrafficReporter
from ratoon_gateway.adapters.traced_engines import TracedEngines
from ratoon_gateway.adapters.uploads import Uploads
from ratoon_gateway.adapters.usage import UsageCounters
from ratoon_gateway.adapters.webhook_secrets import WebhookSecretFile
from ratoon_gateway.adapters.word_lists import WordLists
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.fairness import Fairness
from ratoon_gateway.application.projects import ProjectCheck
from ratoon_gateway.application.quotas import Quotas
from ratoon_gateway.application.relay import Bounds, Relay
from ratoon_gateway.application.shadows import Shadows
from ratoon_gateway.application.webhooks import Webhooks
from ratoon_gateway.domain import completions
from ratoon_gateway.domain.traffic import Traffic
from ratoon_gateway.entrypoints.app import create_api
from ratoon_gateway.entrypoints.asgi import Readiness
from ratoon_gateway.entrypoints.bindings import bindings_of_contracts, services_of
from ratoon_gateway.entrypoints.blobs import Blobs
from ratoon_gateway.entrypoints.completions import Completions
from ratoon_gateway.entrypoints.feedback import FeedbackRoute
from ratoon_gateway.entrypoints.first_key import FirstKey
from ratoon_gateway.entrypoints.grpc import GatewayServicer
from ratoon_gateway.entrypoints.grpc_proxy import GrpcProxy
from ratoon_gateway.entrypoints.http import Edge, HttpServer
from ratoon_gateway.entrypoints.models import Models
from ratoon_gateway.entrypoints.project_calls import ProjectCalls
from ratoon_gateway.entrypoints.rest import RestCalls, rest_router
from ratoon_gateway.entrypoints.verbs import Origins, Route, Verbs
from ratoon_gateway.entrypoints.watched import EdgeMetrics, Traced, Watched
from ratoon_gateway.entrypoints.webhooks import WebhookRoute
from ratoon_gateway.settings import Settings


@dataclass(frozen=True)
class _DataPath:
    """Parts between a completion request and its engine."""

    routes: LiveRoutes
    traffic: Traffic
    relay: Relay
    engines: EngineClient
    fairness: Fairness
    shadows: Shadows
    background: tuple[Background, ...]


def build(settings: Settings, platform: Platform) -> App:
    """The gateway, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, _no_events)
    ring, words, peers = KeyRing(store), WordLists(store), Peers(settings)
    usage = UsageCounters(base.database, base.clock)
    authenticator = Authenticator(ring, base.verifier, base.signer, base.clock)
    quotas = Quotas(ring, usage, settings.limits, base.clock)
    artifacts, ids = ArtifactStore(settings.artifacts_url), AnswerIds.of_folder(settings.keys)
    path = _data_path(settings, base, artifacts, ids, usage, words)
    uploads = Uploads(settings.folder / "uploads", artifacts, settings.max_blob_bytes)
    platform.metrics.register(
        GatewayMetrics(
            path.traffic,
            lambda: path.relay.held,
            lambda: path.fairness.waiting,
            lambda: path.routes.table.version,
        )
    )
    readiness = Readiness()
    bindings = bindings_of_contracts()
    chat = Completions(authenticator, quotas, path.relay, settings.max_body_bytes, settings.request_limits)
    projects = FlywheelProjects(base.peer("flywheel"))
    check = ProjectCheck(projects, base.threads, base.clock)
    feedback = FeedbackRoute(authenticator, ids, FlywheelFeedback(base.peer("flywheel")), base.threads)
    webhooks = Webhooks(
        WebhookSecretFile(
            settings.webhook_secrets or settings.keys / "webhook.secrets",
            settings.webhook_secret_lines.get_secret_value(),
        ),
        FlywheelEvents(base.peer("flywheel")),
        settings.webhooks_per_minute,
        base.clock,
    )
    api = create_api(
        rest_router(bindings, RestCalls(authenticator, check, peers, base.threads, readiness)),
        Models(authenticator, path.routes).router(),
        feedback.router(),
        WebhookRoute(webhooks, base.threads, webhook_counter(platform.metrics)).router(),
        Blobs(authenticator, uploads, base.threads).router(),
        services=services_of(bindings),
        metrics=None if settings.metrics else platform.metrics,
        readiness=readiness,
    )
    edge = Edge({completions.CHAT: chat, completions.TEXT: chat}, api)
    observed = _observed(base, Verbs(edge, edge.verbs, Origins(settings.origins)))
    servicer = GatewayServicer(store, ring, usage, projects, authenticator, base.threads, base.clock)
    rpc = Rpc("ratoon.gateway.v1.GatewayService", add_GatewayServiceServicer_to_server, servicer)
    first_key = FirstKey(store, base.clock, settings.keys / "operator.key")
    calls = ProjectCalls(check, (binding.method for binding in bindings))
    proxy = GrpcProxy(settings.grpc_address, authenticator, calls, peers, services_of(bindings))
    address = (settings.host, settings.port)
    return replace(
        base.app([rpc], [first_key, uploads, ring, words, usage, *path.background]),
        listeners=(
            Outbound(path.routes, path.engines, peers, path.shadows),
            *([proxy] if settings.grpc_address else []),
            HttpServer(observed, readiness, address, _limits(settings), settings.drain_s),
        ),
        loop_factory=uvloop.new_event_loop,
    )


def _limits(settings: Settings) -> ConnectionLimits:
    """The bounds of HTTP connections."""
    return ConnectionLimits(
        max_connections=settings.max_connections,
        head_s=settings.head_s,
        gap_s=settings.request_s,
        body_s=settings.body_s,
        body_bytes_per_s=settings.body_bytes_per_s,
        stall_s=settings.stall_s,
        idle_s=settings.idle_s,
        leave_s=settings.leave_s,
    )


def _data_path(
    settings: Settings,
    base: ServiceRuntime,
    artifacts: ArtifactStore,
    ids: AnswerIds,
    usage: UsageCounters,
    words: WordLists,
) -> _DataPath:
    spool = settings.folder / "segments"
    announcer = SegmentAnnouncer(spool, base.peer("flywheel"), base.clock, base.platform.metrics)
    tokens = token_counter(base.platform.metrics)
    names = settings.captured_names
    capture = SegmentCapture(spool, artifacts, ids, usage, base.clock, announcer.wake, tokens, names)
    routes, traffic, engines = LiveRoutes(), Traffic(base.clock.now()), EngineClient(settings.silence_s)
    bounds = Bounds(settings.max_held, settings.answer_s)
    observed_engines = TracedEngines(engines, base.tracer) if settings.otlp else engines
    fairness = Fairness(settings.engine_slots, settings.turn_s)
    count = shadow_counter(base.platform.metrics)
    shadows = Shadows(engines, capture, base.clock, settings.shadow_share, count)
    relay = Relay(routes, observed_engines, capture, words, traffic, base.clock, bounds, fairness, shadows)
    serving = base.peer("serving")
    watcher = RouteWatcher(routes, serving, settings.folder / "routes.pb")
    reporter = TrafficReporter(uuid.uuid4().hex, lambda: traffic.report(base.clock.now()), routes, serving)
    background = (announcer, capture, watcher, reporter, Activator(routes, serving))
    return _DataPath(routes, traffic, relay, engines, fairness, shadows, background)


def _observed(base: ServiceRuntime, edge: Route) -> Route:
    metrics = EdgeMetrics(base.platform.metrics)
    return Traced(edge, metrics, base.tracer) if base.settings.otlp else Watched(edge, metrics)


def _no_events(_event: object, name: str, _revision: int) -> Record:
    raise NotImplementedError(f"{name}: the gateway has no topics")
