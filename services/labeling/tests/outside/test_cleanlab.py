"""Label errors by cleanlab, in an environment of its own, and ours, on mails of others with wrong labels put in."""

import json
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.environments import environment
from ratoon_labeling.worker.label_errors import confident_joint, error_share, find_errors, out_of_fold

DATA = Path(__file__).parents[4] / ".data" / "spam-assassin"
CLEANLAB = """
import json, sys
import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint
from cleanlab.filter import find_label_issues
given = json.load(open(sys.argv[1]))
codes, probabilities = np.array(given["codes"]), np.array(given["probabilities"])
issues = find_label_issues(
    codes, probabilities, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1
)
joint = compute_confident_joint(codes, probabilities, calibrate=False)
shares = estimate_joint(codes, probabilities, confident_joint=joint)
print(json.dumps({"issues": issues.tolist(), "joint": joint.tolist(), "share": 1 - float(np.trace(shares))}))
"""


@pytest.fixture(scope="module")
def mails():
    folders = {"ham": "easy-ham-1", "hard ham": "hard-ham-1", "spam": "spam-1"}
    texts = [
        (path.read_text("latin-1").partition("\n\n")[2][:1500], label)
        for label, folder in folders.items()
        for path in sorted((DATA / folder).glob("*"))[:250]
    ]
    if not texts:
        pytest.skip("The mails are not fetched: make data.")
    return texts


def test_suspects_joint_and_share_are_those_of_cleanlab(mails, tmp_path):
    rng = random.Random(1)
    classes = sorted({label for _, label in mails})
    wrong = set(rng.sample(range(len(mails)), len(mails) // 12))
    labels = [
        rng.choice([each for each in classes if each != label]) if number in wrong else label
        for number, (_, label) in enumerate(mails)
    ]
    codes = np.searchsorted(classes, labels)
    probabilities = out_of_fold([text for text, _ in mails], np.array(labels), classes, 3)
    given = tmp_path / "given.json"
    given.write_text(json.dumps({"codes": codes.tolist(), "probabilities": probabilities.tolist()}))
    python = environment("cleanlab") / "bin/python"
    ran = subprocess.run([python, "-c", CLEANLAB, given], check=True, capture_output=True, text=True)
    theirs = json.loads(ran.stdout.splitlines()[-1])
    suspects, joint = confident_joint(probabilities, codes)
    assert sorted(row for row, _ in suspects) == sorted(theirs["issues"])
    assert joint.tolist() == theirs["joint"]
    # cleanlab rounds its calibrated counts to whole records.
    assert error_share(joint, codes) == pytest.approx(theirs["share"], abs=len(classes) / len(labels))
    suspects_of_mails, report = find_errors([text for text, _ in mails], labels, "mails")
    caught = wrong & {each.row for each in suspects_of_mails}
    assert report.suspect_count == len(suspects_of_mails)
    assert len(caught) > 0.6 * len(wrong)
    assert len(caught) > 0.5 * len(suspects_of_mails)
