"""A process that polls, waits to be told, and then tries to commit what it has polled."""

import json
import sys

from ratoon.events.ports import EventLogError
from ratoon.testkit.events import open_log

told = json.loads(sys.argv[1])
subscription = open_log(told["spec"]).subscribe(told["topic"], [told["topic"]])
found = []
while len(found) < 3:
    found += subscription.poll(0.2)
print("polled", len(found), flush=True)
sys.stdin.readline()
try:
    subscription.commit({each.partition: each.offset + 1 for each in found})
    print("committed", flush=True)
except EventLogError as error:
    print(type(error).__name__, flush=True)
