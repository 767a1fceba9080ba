"""Run `python -m ratoon.engine.fetch`, for pod templates of the previous release."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ratoon.engine.fetch", run_name="__main__", alter_sys=True)
