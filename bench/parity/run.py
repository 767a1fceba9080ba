"""Which faults of a merge, a rounding or an export the comparison of forms catches, and which honest forms it refuses.

    python bench/parity/run.py                    # tiny models: 4 kinds, 3 seeds, every fault and every format
    python bench/parity/run.py --seeds 1
    python bench/parity/run.py --set smollm2      # SmolLM2-135M: honest forms, and the faults of whole models

Each fault is put into a copy of the reference that is saved and loaded again, as a converter would do it. Caught: the
form is beyond the tolerance. Named: by the right cause. A false alarm is an honest form that is beyond it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from ratoon.neural import parity
from ratoon.neural.parity import Form
from ratoon.storage.models import ModelFolder
from ratoon.tasks.parity import Link, Recorded, Step, Verdict
from ratoon.testkit.parity import FAULTS, FORMATS, SUBJECTS, NotApplicable, rounded, subject

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

_MODEL = Path(__file__).resolve().parents[2] / ".data/smollm2-135m-instruct"
_OF_WHOLE_MODELS = "tied"
Reference = tuple[str, Form, tuple[Recorded, ...]]


def main() -> int:
    """Measure all references, and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=("tiny", "smollm2"), default="tiny")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--faults", nargs="*", choices=tuple(FAULTS), metavar="FAULT", help="these faults alone"
    )
    options = parser.parse_args()
    if options.set == "tiny":
        torch.set_num_threads(1)  # products this small cost less than sharing them
    began = time.process_time()
    alarms: list[tuple[str, str, Link]] = []
    faults: list[tuple[str, Link]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, reference, recorded in _references(options.set, options.seeds, Path(folder)):
            form_folder = Path(folder) / "form"
            for number_format in FORMATS:
                form = rounded(reference, number_format, form_folder)
                link = parity.compare_forms(reference, form, recorded, number_format, Step.QUANTIZE)
                alarms.append((kind, number_format, link))
                shutil.rmtree(form_folder)
            for name, fault in FAULTS.items():
                if kind not in fault.subjects or name not in (options.faults or FAULTS):
                    continue
                try:
                    form = fault.make(reference, form_folder)
                except NotApplicable:
                    continue
                step = Step.MERGE
                faults.append(
                    (name, parity.compare_forms(reference, form, recorded, fault.number_format, step))
                )
                shutil.rmtree(form_folder)
    _show_honest(alarms)
    missed = _show_faults(faults)
    false = [each for each in alarms if each[2].verdict is Verdict.BEYOND]
    print(
        f"\n{len(false)} of {len(alarms)} honest forms refused; {missed} of {len(faults)} faults not caught or named "
        f"wrongly; {time.process_time() - began:.0f} s of processor time"
    )
    return 1 if false or missed else 0


def _references(chosen: str, seeds: int, folder: Path) -> Iterator[Reference]:
    if chosen == "smollm2":
        form = parity.load(ModelFolder(_MODEL))
        yield _OF_WHOLE_MODELS, form, _recorded(form)
        return
    for kind in SUBJECTS:
        for seed in range(seeds):
            form = subject(kind, folder / f"{kind}-{seed}", seed)
            yield kind, form, _recorded(form)


def _recorded(form: Form) -> tuple[Recorded, ...]:
    return parity.record(form.model, [each.ids for each in parity.rendered(form.tokenizer) if each.ids])


def _show_honest(alarms: list[tuple[str, str, Link]]) -> None:
    print("| format | honest forms | refused | largest difference (nats) | largest mean | accepted |")
    print("|---|---|---|---|---|---|")
    for number_format in FORMATS:
        links = [link for _, each, link in alarms if each == number_format]
        compared = [link.comparison for link in links if link.comparison]
        limits = links[0].tolerance
        accepted = f"{limits.token} / {limits.mean}".replace("None", "any") if limits else ""
        refused = [link for link in links if link.verdict is Verdict.BEYOND]
        print(
            f"| {number_format} | {len(links)} | {len(refused)} | {max(c.max_difference for c in compared):.2g} | "
            f"{max(c.mean_difference for c in compared):.2g} | {accepted} |"
        )
        for link in refused:
            print(f"  {link.reason}: {link.message}", file=sys.stderr)


def _show_faults(faults: list[tuple[str, Link]]) -> int:
    """Print each fault with the number of forms, and return how many were not caught, or named wrongly."""
    print("\n| fault | forms | caught | named | name |\n|---|---|---|---|---|")
    missed = 0
    for name, fault in FAULTS.items():
        links = [link for each, link in faults if each == name]
        if not links:
            continue
        caught = [link for link in links if link.verdict is Verdict.BEYOND]
        named = [link for link in caught if link.reason == fault.reason]
        missed += len(links) - len(named)
        others = Counter(link.reason or "none" for link in links if link.reason != fault.reason)
        other = f" (else {', '.join(others)})" if others else ""
        print(f"| {name} | {len(links)} | {len(caught)} | {len(named)} | `{fault.reason}`{other} |")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
