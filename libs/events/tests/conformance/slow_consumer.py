"""A process that polls, waits for a line on its input, and then tries to commit what it has polled."""

import json
import sys

from ratoon.events.ports import EventLogError
from ratoon.testkit.events import open_log

spec = json.loads(sys.argv[1])
subscription = open_log(spec["spec"]).subscribe(spec["topic"], [spec["topic"]])
records = []
while len(records) < 3:
    records += subscription.poll(0.2)
print("polled", len(records), flush=True)
sys.stdin.readline()
try:
    subscription.commit({each.partition: each.offset + 1 for each in records})
    print("committed", flush=True)
except EventLogError as error:
    print(type(error).__name__, flush=True)
