"""The message of a failed wait shows the last value."""

import pytest

from harness.wait import until


def said_by(condition):
    with pytest.raises(AssertionError) as failed:
        until(condition, "a wonder", 0.01)
    return str(failed.value)


def test_a_value_is_shown():
    assert said_by(lambda: []) == "a wonder: not within 0.01 s; last value: []"


def test_both_sides_of_a_comparison_are_shown():
    seen, wanted = [1], 5
    message = said_by(lambda: len(seen) ==
                      wanted)
    assert message == "a wonder: not within 0.01 s; last value: False; len(seen) is 1; wanted is 5"
    message = said_by(lambda many=seen: {"é": sum(many)} == {"é": 2})
    assert message.endswith("last value: False; {'é': sum(many)} is {'é': 1}; {'é': 2} is {'é': 2}")


def test_a_side_that_cannot_be_evaluated_again_is_reported():
    def once(seen=[]):  # pylint: disable=dangerous-default-value
        seen.append(1)
        return seen.index(1) if len(seen) < 2 else seen.index("a second look")
    with pytest.raises(AssertionError, match="once\\(\\) is not to be had: ValueError"):
        until(lambda: once() == 2, "a wonder", -1)


def test_the_error_of_a_condition_is_shown():
    def condition():
        assert not "here", "not there yet"
    assert "last value: not there yet" in said_by(condition)


def test_a_long_value_is_cut():
    message = said_by(lambda: "x" * 1000 == "")
    assert message.endswith("… (1016 characters)") and len(message) < 700
