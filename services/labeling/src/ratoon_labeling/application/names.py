"""Patterns of the names of resources, and the size of a batch."""

PROJECT = "projects/*"
GUIDELINE = f"{PROJECT}/guidelines/*"
GUIDELINE_VERSION = f"{GUIDELINE}/versions/*"
LABEL_SET = f"{PROJECT}/labelSets/*"
ANNOTATION = f"{PROJECT}/annotations/*"
TASK = f"{PROJECT}/tasks/*"
QUEUE = f"{PROJECT}/queues/*"
REFILL = f"{QUEUE}/refills/*"
DATASET_VERSION = f"{PROJECT}/datasets/*/versions/*"

MAX_BATCH = 1_000
"""Tasks, annotations or items of one request."""
MAX_CLAIMS = 20
"""Tasks that one submission claims."""
MAX_IN_WORK = 100
"""Tasks that a claim names as being in work."""
