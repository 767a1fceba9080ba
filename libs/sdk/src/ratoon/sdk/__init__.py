"""The Python client of Ratoon and its command line; everything goes over the public HTTP API.

from ratoon.sdk import Client

client = Client()                       # RATOON_URL and RATOON_API_KEY, or the installation in this folder
answer = client.chat("mail-triage", "Dear winner, …")
client.feedback(answer.id, thumb="up")
"""

from ratoon.sdk.client import Answer, Client
from ratoon.sdk.errors import ApiError, OperationFailed, RatoonSdkError, Unreachable

__all__ = ["Answer", "ApiError", "Client", "OperationFailed", "RatoonSdkError", "Unreachable"]
