"""Run `ratoon.storage.gc` under the name that processes and pod templates of the last release start."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ratoon.storage.gc", run_name="__main__", alter_sys=True)
