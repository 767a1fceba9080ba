"""The part of ingestion's gRPC API that concerns crawls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.ingestion.v1 import crawl_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_ingestion import crawl_messages
from ratoon_ingestion.application import crawls
from ratoon_ingestion.domain.crawls import Crawl

Context = Any


@dataclass(frozen=True)
class CrawlPorts:
    """Ports of the handlers of crawls."""

    store: Store
    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    identity: crawls.CrawlerIdentity


class CrawlMethods:
    """Answers the methods of `ratoon.ingestion.v1.IngestionService` that concern crawls."""

    def __init__(self, ports: CrawlPorts) -> None:
        self._crawl = ports
        self._crawls = StandardMethods(
            ports.store,
            ports.threads,
            Crawl,
            crawls.CRAWL,
            crawl_messages.crawl_message,
            lambda crawl: crawl.state.ended,
        )

    async def CreateCrawl(self, request: pb.CreateCrawlRequest, context: Context) -> crawl_pb2.Crawl:
        """Start a crawl."""
        command, ports = crawl_messages.create_crawl(request), self._crawl
        created = await ports.threads(
            crawls.create_crawl, command, ports.store, ports.operations, ports.clock, ports.identity
        )
        return crawl_messages.crawl_message(created)

    async def GetCrawl(self, request: pb.GetCrawlRequest, context: Context) -> crawl_pb2.Crawl:
        """One crawl."""
        return await self._crawls.get(request)

    async def ListCrawls(self, request: pb.ListCrawlsRequest, context: Context) -> pb.ListCrawlsResponse:
        """The crawls of a project."""
        page = await self._crawls.list(request)
        return pb.ListCrawlsResponse(crawls=page.items, next_page_token=page.next_token)

    async def WatchCrawl(
        self, request: pb.WatchCrawlRequest, context: Context
    ) -> AsyncIterator[crawl_pb2.Crawl]:
        """A crawl's state, then each newer one, until it has ended."""
        async for state in self._crawls.watch(request, self._crawl.changes):
            yield state

    async def CancelCrawl(self, request: pb.CancelCrawlRequest, context: Context) -> crawl_pb2.Crawl:
        """Request the cancellation of a crawl."""
        return await self._crawls.cancel(request, self._crawl.operations)

    async def DeleteCrawl(self, request: pb.DeleteCrawlRequest, context: Context) -> pb.DeleteCrawlResponse:
        """Delete a crawl that has ended."""
        await self._crawls.delete(request, crawls.delete_crawl)
        return pb.DeleteCrawlResponse()
