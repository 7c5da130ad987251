"""Libraries that would talk between the lines of a run."""


def quiet_libraries() -> None:
    """Keep diffusers and transformers from printing bars, and words short of an error."""
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for library in (logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
