"""Run `ratoon.service.host` under the name that processes and pod templates of the last release start."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ratoon.service.host", run_name="__main__", alter_sys=True)
