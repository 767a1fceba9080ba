"""The pinned vLLM has what engines use of it outside its public API; vLLM itself is not imported."""

import pytest

from ratoon.engine.vllm_internals import PRELOAD, USED
from ratoon.testkit.sources import names_in


@pytest.mark.parametrize("module", USED)
def test_the_installed_vllm_has_every_name_that_engines_use(module):
    assert set(USED[module]) - names_in(module) == set()


@pytest.mark.parametrize("module", PRELOAD)
def test_the_installed_vllm_has_every_module_that_is_imported_before_the_fork(module):
    assert names_in(module)


def test_a_name_or_module_that_is_gone_is_found_missing():
    assert "get_context_of_another_release" not in names_in("vllm.v1.engine.utils")
    with pytest.raises(LookupError, match="does not exist in the installed version of vllm"):
        names_in("vllm.v1.engine.gone")
    with pytest.raises(LookupError, match="not installed"):
        names_in("no_such_package.module")
