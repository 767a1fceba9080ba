"""Client of the public HTTP API whose requests and answers are dicts; `ratoon.client` has the typed one.

from ratoon.client.raw import Client

client = Client()                       # RATOON_URL and RATOON_API_KEY, else the local installation
answer = client.chat("mail-triage", "Dear winner, …")
client.feedback(answer.id, thumb="up")
"""

from ratoon.client.raw.client import Answer, Client
from ratoon.client.raw.errors import ApiError, OperationFailed, RatoonSdkError, Unreachable

__all__ = ["Answer", "ApiError", "Client", "OperationFailed", "RatoonSdkError", "Unreachable"]
