"""Python client and command line of Ratoon, over the public HTTP API.

from ratoon.sdk import Client

client = Client()                       # RATOON_URL and RATOON_API_KEY, else the local installation
answer = client.chat("mail-triage", "Dear winner, …")
client.feedback(answer.id, thumb="up")
"""

from ratoon.sdk.client import Answer, Client
from ratoon.sdk.errors import ApiError, OperationFailed, RatoonSdkError, Unreachable

__all__ = ["Answer", "ApiError", "Client", "OperationFailed", "RatoonSdkError", "Unreachable"]
