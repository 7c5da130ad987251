"""Why a request is not done, with the status that says of what kind that is."""


class Refusal(Exception):
    """status: of HTTP; detail: one line; retry_after: seconds after which to come again."""

    def __init__(self, status: int, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
