"""`GET /v1/models` and `GET /v1/models/{model}`, as OpenAI's clients read them: deployments that a caller may use."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ratoon.security.identity import Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import Routes
from ratoon_gateway.domain.routes import ANY_PROJECT, Route
from ratoon_gateway.entrypoints.api import BEARER, OpenAIRoute, not_found, refusals
from ratoon_gateway.entrypoints.asgi import bearer, openai_error_response


class OpenAIModel(BaseModel):
    """Deployment, or one version of it."""

    id: str = Field(
        description="Name for the field `model` of a request: `deployment` or `deployment@version`."
    )
    object: str = "model"
    created: int = 0
    owned_by: str = Field(description="Project of the deployment.")


class OpenAIModelList(BaseModel):
    """Deployments that the caller may use."""

    object: str = "list"
    data: list[OpenAIModel]


class Models:
    """Lists the deployments that a caller may use."""

    def __init__(self, authenticator: Authenticator, routes: Routes) -> None:
        self._authenticator, self._routes = authenticator, routes

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=OpenAIRoute, tags=["inference"], dependencies=[BEARER])
        answers = refusals("application/json", "OpenAIError")
        router.get(
            "/v1/models", operation_id="gateway.Models", response_model=OpenAIModelList, responses=answers
        )(self.list_models)
        router.get(
            "/v1/models/{model:tail}",
            operation_id="gateway.GetModel",
            response_model=OpenAIModel,
            responses=answers,
        )(self.get_model)
        return router

    async def list_models(self, request: Request) -> Response:
        """List the deployments that the caller may use, as OpenAI's API lists models.

        Role: caller.
        """
        return JSONResponse({"object": "list", "data": list(self._models(request).values())})

    async def get_model(
        self,
        model: Annotated[str, Path(description="`deployment` or `deployment@version`.")],
        request: Request,
    ) -> Response:
        """Return one deployment, as OpenAI's API returns a model.

        Role: caller.
        """
        models, name = self._models(request), model.strip("/")
        if name in models:
            return JSONResponse(models[name])
        message = f"There is no model {name!r}; GET /v1/models lists the available models."
        return openai_error_response(not_found(message, "MODEL_NOT_FOUND", "model"))

    def _models(self, request: Request) -> dict[str, dict[str, object]]:
        project = self._authenticator.caller(bearer(request.scope), Role.CALLER).project
        routes = [r for r in self._routes.table.routes.values() if project in (ANY_PROJECT, r.project)]
        return {name: _model(name, route) for route in routes for name in _names(route, project)}


def _names(route: Route, project: str) -> list[str]:
    """Return the names of a deployment for callers of this project: alone, and with each version that it serves."""
    name = route.id if project != ANY_PROJECT else f"{route.project}/{route.id}"
    return [name, *sorted({f"{name}@{target.version_id}" for target in route.targets})]


def _model(name: str, route: Route) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": f"projects/{route.project}"}
