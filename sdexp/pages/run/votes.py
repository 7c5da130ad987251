"""What people chose blindly, for the report."""

from sdexp.ground.run import RunFolder
from sdexp.ground.votes import read_votes
from sdexp.stats.votes import tally


def votes_line(run: RunFolder) -> str:
    """A sentence; empty where nobody has voted."""
    votes, _ = read_votes(run.votes)
    if not votes:
        return ""
    found = tally([vote.choice for vote in votes])
    pairs = len({(vote.prompt_id, vote.replicate) for vote in votes})
    counted = (
        f"{len(votes)} blind votes over {pairs} pairs: {found.finetuned} for the finetuned, "
        f"{found.original} for the original, {found.same} for neither."
    )
    if found.win_rate is None or found.ci95 is None:
        return counted
    low, high = found.ci95
    decided = "chance alone would explain it" if low <= 0.5 <= high else "more than chance"
    return (
        f"{counted} The finetuned wins {found.win_rate:.0%} of the decided ones, 95% interval "
        f"{low:.0%} to {high:.0%}: {decided}."
    )
