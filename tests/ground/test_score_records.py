import json
from pathlib import Path

import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.score_records import ScoresRecord
from tests.records import metric, scores


def test_a_primary_that_was_not_scored_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    write_record(file, scores({"kid": metric(3.0)}))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"primary": "fid"}))
    with pytest.raises(DataError, match="primary=fid is not among the metrics"):
        read_record(file, ScoresRecord)
