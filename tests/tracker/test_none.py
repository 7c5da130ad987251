from PIL import Image

from sdexp.ground.run import RunFolder
from sdexp.tracker.none import NoTracker


def test_it_writes_nothing(run: RunFolder) -> None:
    tracker = NoTracker().start(run, {"a": 1}, "train")
    tracker.log({"train/loss": 1.0}, 1)
    tracker.log_images("validation/pictures", [("a", Image.new("RGB", (8, 8)))], 1)
    tracker.log_table("evaluation/pairs", ["a"], [[1]])
    tracker.close()
    assert list(run.path.iterdir()) == []
