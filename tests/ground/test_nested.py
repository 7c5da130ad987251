from sdexp.ground.nested import leaves


def test_leaves_are_named_by_their_way_down() -> None:
    values = {"a": {"b": 1, "c": {"d": [1, {"e": 2}]}}, "f": {}, "g": None}
    assert dict(leaves(values)) == {"a.b": 1, "a.c.d": [1, {"e": 2}], "f": {}, "g": None}
    assert [key for key, _ in leaves(values)] == ["a.b", "a.c.d", "f", "g"]
