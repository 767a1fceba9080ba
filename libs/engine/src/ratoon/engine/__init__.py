"""Code inside the processes of a vLLM engine: middleware, control API, loader, launch, fork server.

It imports nothing of the services. Of this package, the platform imports `contract`, `settings` and `sockets` only.
"""
