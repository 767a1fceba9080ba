"""Rules of the gateway: keys, limits, routes, requests, filters, captured traffic. Standard library only."""
