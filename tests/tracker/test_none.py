from PIL import Image

from sdexp.ground.run import RunFolder
from sdexp.tracker.none import Silence


def test_it_writes_nothing(run: RunFolder) -> None:
    tracker = Silence()
    tracker.prepare()
    assert tracker.connect() == ""
    tracker.log({"train/loss": 1.0}, 1)
    tracker.log_images("validation/pictures", [("a", Image.new("RGB", (8, 8)))], 1)
    tracker.log_table("evaluation/pairs", ["a"], [[1]])
    tracker.close(failed=False)
    tracker.hurry()
    tracker.abandon()
    assert list(run.path.iterdir()) == []
