from sdexp.ground.records import RunRecord


def test_a_training_that_goes_on_is_not_trained() -> None:
    assert not RunRecord(stage="train", status="running").is_trained
    assert RunRecord(stage="train", status="finished").is_trained
    assert RunRecord(stage="evaluate", status="failed").is_trained
