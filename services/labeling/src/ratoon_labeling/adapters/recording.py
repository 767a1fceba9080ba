"""Recording of a large label set in a process of its own: `python -m ratoon_labeling.adapters.recording`.

The service's process serves calls meanwhile; it waits for the end of the recording on the thread of the operation. The
specification comes on standard input, since a database URL may hold a password. Owns no table: `BulkLedger` records.
"""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time

from ratoon.jobs.v1.labeling_jobs_pb2 import RecordingSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.process.clock import SystemClock
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.store import codec_of
from ratoon_labeling import mapping
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.label_sets import Frozen, LabelSet

_LOG = logging.getLogger(__name__)
_SMALL = 5_000
"""Labels up to which a label set is recorded at once: a process takes about a second to start."""
_NICE = 10
_PR_SET_PDEATHSIG = 1
_LABEL_SETS = codec_of(LabelSet, RESOURCES[LabelSet])


class ProcessLedger(BulkLedger):
    """A ledger that records a large label set in a process of its own, and in this one where that fails."""

    def record(self, label_set: LabelSet, frozen: Frozen) -> None:
        """Store the imported annotations and the tasks of a label set; a repetition adds nothing."""
        if frozen.labelled <= _SMALL or not self._record_in_subprocess(label_set, frozen):
            super().record(label_set, frozen)

    def _record_in_subprocess(self, label_set: LabelSet, frozen: Frozen) -> bool:
        spec = RecordingSpec(
            database=self._database.url,
            artifacts=self._artifacts.url,
            label_set=_LABEL_SETS.dump(label_set),
            frozen=mapping.freezing_result(frozen),
        )
        ended = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(to_json(spec)).encode(),
            stderr=subprocess.PIPE,
            check=False,
        )
        if ended.returncode:
            last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            _LOG.warning(
                "the process that records %s ended with %d (%s); this process goes on with it",
                label_set.name, ended.returncode, last,
            )  # fmt: skip
        return ended.returncode == 0


def main() -> int:
    """Record one label set; end with the parent process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.nice(_NICE)
    spec = from_json(RecordingSpec, json.load(sys.stdin))
    database = Database(spec.database)
    try:
        ledger = BulkLedger(database, ArtifactStore(spec.artifacts), SystemClock(), time.sleep)
        ledger.record(_LABEL_SETS.load(spec.label_set), mapping.frozen(spec.frozen))
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
