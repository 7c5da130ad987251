from diffusers.utils import logging
from transformers.utils import logging as transformers_logging

from sdexp.ground.quiet import quiet_libraries


def test_only_errors_are_told() -> None:
    for library in (logging, transformers_logging):
        library.set_verbosity_warning()
    quiet_libraries()
    assert logging.get_verbosity() == logging.ERROR
    assert transformers_logging.get_verbosity() == transformers_logging.ERROR
    assert not transformers_logging.is_progress_bar_enabled()
