"""The API on FastAPI: every route but the completions'."""

from collections.abc import Iterable
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from ratoon_gateway.entrypoints import openapi
from ratoon_gateway.entrypoints.asgi import Readiness
from ratoon_gateway.entrypoints.pages import Pages


def create_api(
    *routers: APIRouter, services: Iterable[str], metrics: CollectorRegistry | None, readiness: Readiness
) -> FastAPI:
    """Return the application of these routers and of the pages without credentials.

    `services` are the full names of the services that the document describes; `metrics` are served where they have no
    address of their own.
    """
    api = FastAPI(title="Ratoon", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.openapi = lambda: openapi.document(api.routes, services, version("ratoon-gateway"))  # type: ignore[method-assign]
    for router in (*routers, Pages(api.openapi, metrics, readiness).router()):
        api.router.routes.extend(router.routes)  # include_router would build each route again
    return api
