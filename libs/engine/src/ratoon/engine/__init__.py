"""What runs inside an engine's own processes: the gate before vLLM, the loader, the start.

Nothing of the control process is imported here, and the control process imports nothing of this: they meet in
`engine.json` (what to run), in the routes below `/ratoon/` and in the files beside the socket.
"""
