"""Between the gateway's domain and protobuf: the only place where both are known."""

import uuid
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime

from ratoon.events.foreign import ForeignEvent
from ratoon.flywheel.v1 import external_event_pb2, flywheel_service_pb2, signal_pb2
from ratoon.gateway.v1 import api_key_pb2, gateway_service_pb2, safety_filter_pb2
from ratoon.runtime.timestamps import time_of, timestamp
from ratoon.serving.v1 import route_pb2
from ratoon_gateway.application.commands import CreateKey, UpdateFilter, UpdateKey
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.feedback import Feedback
from ratoon_gateway.domain.keys import ApiKey, Role, Used
from ratoon_gateway.domain.limits import Limits
from ratoon_gateway.domain.routes import Route, RouteTable, Target
from ratoon_gateway.domain.safety import SafetyFilter
from ratoon_gateway.domain.segments import ClosedSegment
from ratoon_gateway.domain.traffic import EngineReport

_FEEDBACK_IDS = uuid.UUID("0e0ba0d7-0a6e-4b6b-9a3c-4f1f3f2a9c55")


def route_table(table: route_pb2.RouteTable) -> RouteTable:
    """Return the route table of serving's message."""
    return RouteTable.of(table.version, (_route(route) for route in table.routes))


def traffic_report(report: EngineReport) -> route_pb2.TrafficReport:
    """One engine in one window."""
    return route_pb2.TrafficReport(
        deployment=report.deployment,
        engine=report.engine,
        version=report.version,
        start_time=timestamp(report.start),
        end_time=timestamp(report.end),
        request_count=report.requests,
        error_count=report.errors,
        cut_count=report.cut,
        latency_p50_seconds=report.p50_s,
        latency_p99_seconds=report.p99_s,
        open_count=report.open,
        caller_error_count=report.caller_errors,
        callers=[
            route_pb2.CallerTraffic(
                caller=each.caller,
                request_count=each.requests,
                error_count=each.errors,
                cut_count=each.cut,
                latency_p50_seconds=each.p50_s,
            )
            for each in report.callers
        ],
    )


def create_segment(segment: ClosedSegment) -> flywheel_service_pb2.CreateTrafficSegmentRequest:
    """The announcement of a closed segment."""
    parent, _, segment_id = segment.name.rpartition("/trafficSegments/")
    return flywheel_service_pb2.CreateTrafficSegmentRequest(
        parent=parent,
        traffic_segment_id=segment_id,
        request_id=segment_id,
        traffic_segment=signal_pb2.TrafficSegment(
            deployment=segment.deployment,
            digest=segment.digest,
            answer_count=segment.answers,
            start_time=timestamp(datetime.fromisoformat(segment.start)),
            end_time=timestamp(datetime.fromisoformat(segment.end)),
            lost_count=segment.lost,
        ),
    )


def create_external_event(
    project: str, event: ForeignEvent
) -> flywheel_service_pb2.CreateExternalEventRequest:
    """Return the request that reports an event to a project."""
    message = external_event_pb2.ExternalEvent(
        event_id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
        event_time=timestamp(event.time),
    )
    return flywheel_service_pb2.CreateExternalEventRequest(
        parent=f"projects/{project}", external_event=message
    )


def create_feedback(feedback: Feedback) -> flywheel_service_pb2.CreateFeedbackRequest:
    """The same words on the same answer are the same feedback, however often they are sent."""
    kind = signal_pb2.Feedback
    words = (feedback.answer_id, feedback.thumb, feedback.rating, feedback.correction, feedback.comment)
    more = (
        feedback.rejected_answer_id,
        sorted(feedback.outcomes.items()),
        feedback.implicit,
        feedback.consent,
    )
    whose = (feedback.session_id, feedback.user)
    content = repr((*words, *more, *whose) if any((*more, *whose)) else words)
    return flywheel_service_pb2.CreateFeedbackRequest(
        parent=f"projects/{feedback.project}",
        request_id=str(uuid.uuid5(_FEEDBACK_IDS, content)),
        feedback=kind(
            answer_id=feedback.answer_id,
            thumb=feedback.thumb,
            rating=feedback.rating,
            correction=feedback.correction,
            comment=feedback.comment,
            version=feedback.version,
            rejected_answer_id=feedback.rejected_answer_id,
            outcomes=feedback.outcomes,
            implicit=kind.Implicit.Value(f"IMPLICIT_{(feedback.implicit or 'unspecified').upper()}"),
            consent=kind.Consent.Value(f"CONSENT_{(feedback.consent or 'unspecified').upper()}"),
            session_id=feedback.session_id,
            user=feedback.user,
        ),
    )


def create_key(request: gateway_service_pb2.CreateApiKeyRequest) -> CreateKey:
    """Return the command that creates a key."""
    key = request.api_key
    if int(key.role) not in {int(role) for role in Role}:
        raise BadRequest("The role must be one from caller to operator.", field="api_key.role")
    return CreateKey(
        request.parent,
        request.api_key_id,
        Role(key.role),
        key.display_name,
        time_of(key, "expire_time"),
        request.request_id,
        _limits(key.limits),
    )


def update_key(request: gateway_service_pb2.UpdateApiKeyRequest) -> UpdateKey:
    """Return the command that changes a key."""
    key = request.api_key
    fields = tuple(request.update_mask.paths)
    return UpdateKey(
        key.name,
        key.display_name,
        _limits(key.limits),
        time_of(key, "expire_time"),
        key.etag,
        fields,
    )


def update_filter(request: gateway_service_pb2.UpdateSafetyFilterRequest, now: datetime) -> UpdateFilter:
    """Return the command that changes word lists."""
    lists = request.safety_filter
    desired = SafetyFilter(lists.name, now, now, tuple(lists.input_words), tuple(lists.output_words))
    return UpdateFilter(desired, lists.etag, tuple(request.update_mask.paths))


def safety_filter(stored: SafetyFilter) -> safety_filter_pb2.SafetyFilter:
    """The word lists as callers see them."""
    return safety_filter_pb2.SafetyFilter(
        name=stored.name,
        revision=stored.revision,
        create_time=timestamp(stored.create_time),
        update_time=timestamp(stored.update_time),
        etag=stored.etag,
        input_words=stored.input_words,
        output_words=stored.output_words,
    )


def key_usage(name: str, total: Used, days: Mapping[date, Used]) -> gateway_service_pb2.ApiKeyUsage:
    """Return the usage of a key, day by day."""
    return gateway_service_pb2.ApiKeyUsage(
        name=name,
        total=_usage(total),
        days=[api_key_pb2.DailyUsage(date=day.isoformat(), usage=_usage(used)) for day, used in days.items()],
    )


def api_key(key: ApiKey, used: Used, secret: str = "") -> api_key_pb2.ApiKey:
    """A key as callers see it."""
    return api_key_pb2.ApiKey(
        name=key.name,
        revision=key.revision,
        create_time=timestamp(key.create_time),
        update_time=timestamp(key.update_time),
        role=int(key.role),  # type: ignore[arg-type]
        expire_time=timestamp(key.expire_time),
        revoke_time=timestamp(key.revoke_time),
        last_use_time=timestamp(used.last_use),
        secret=secret,
        display_name=key.display_name,
        usage=_usage(used),
        limits=api_key_pb2.KeyLimits(
            **{each.name: getattr(key.limits, each.name) for each in fields(Limits)}
        ),
        etag=key.etag,
    )


def _usage(used: Used) -> api_key_pb2.KeyUsage:
    return api_key_pb2.KeyUsage(
        request_count=used.requests,
        prompt_token_count=used.prompt_tokens,
        completion_token_count=used.completion_tokens,
    )


def _limits(limits: api_key_pb2.KeyLimits) -> Limits:
    return Limits(*(getattr(limits, each.name) for each in fields(Limits)))


def _route(route: route_pb2.Route) -> Route:
    targets = tuple(_target(target) for target in route.targets)
    return Route(route.deployment, targets, route.hold_seconds, route.shadow_share)


def _target(target: route_pb2.Target) -> Target:
    return Target(
        target.engine,
        target.version,
        target.endpoint,
        target.secret,
        target.weight,
        target.served_name,
        _defaults(target),
        target.max_prompt_characters,
        target.slots,
    )


_ANSWER_TOKENS = 16
"""Tokens of the context that a cut prompt leaves to the answer; training cuts its texts at the same number."""


def _defaults(target: route_pb2.Target) -> tuple[tuple[str, float | int], ...]:
    """Return the version's generation defaults, bounded by the context of its engine.

    A model whose template cuts texts by characters cuts them by tokens as well: a text in a script that the training
    texts do not have takes several tokens a character and would exceed the context.
    """
    context = target.context_tokens
    defaults = {field.name: value for field, value in target.generation_defaults.ListFields()}
    if context and "max_tokens" in defaults:
        defaults["max_tokens"] = min(defaults["max_tokens"], context)
    if context > _ANSWER_TOKENS and target.max_prompt_characters:
        defaults["truncate_prompt_tokens"] = context - _ANSWER_TOKENS
    return tuple(sorted(defaults.items()))
