"""Run `ratoon.operations.warm` under the name that processes and pod templates of the last release start."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ratoon.operations.warm", run_name="__main__", alter_sys=True)
