import json

from sdexp.model.files import settings_text


def test_settings_say_all_but_where_they_came_from() -> None:
    values = {"b": [1, 2], "_name_or_path": "/home/me", "a": {"_name_or_path": "kept"}}
    text = settings_text(json.dumps(values))
    assert json.loads(text) == {"a": {"_name_or_path": "kept"}, "b": [1, 2]}
    assert text.endswith("}\n")


def test_the_same_settings_are_the_same_text() -> None:
    first, second = '{"a": 1, "b": 2}', '{"b": 2,\n"a": 1, "_name_or_path": "x"}'
    assert settings_text(first) == settings_text(second)
