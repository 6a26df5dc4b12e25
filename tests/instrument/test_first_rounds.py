"""When a costly first round has paid: who is ahead after how many rounds."""

import pytest
import report_extra  # noqa: F401

from pytest_duet.report.sections.first_rounds import in_words, leaders


def row(subject, first, seconds):
    return {"subject": subject, "first_seconds": first, "seconds": seconds}


def simulated(its, rounds):
    """Return who is ahead after each number of rounds, by adding them up."""
    ahead = []
    for number in range(1, rounds + 1):
        total = {each["subject"]: each["first_seconds"] + (number - 1) * each["seconds"] for each in its}
        ahead.append(min(total, key=total.get))
    return ahead


@pytest.mark.parametrize(
    "its",
    [
        [row("eager", 1.0, 1.0), row("compiled", 4.2, 0.5)],
        [row("eager", 1.0, 1.0), row("compiled", 4.2, 0.5), row("tuned", 30.1, 0.1)],
        [row("eager", 1.0, 1.0), row("beaten", 9.0, 0.9), row("compiled", 4.2, 0.5)],
        [row("a", 0.5, 0.5), row("b", 0.6, 0.6)],
        [row("cached", 0.1, 1.0), row("steady", 1.0, 0.99)],
    ],
)
def test_who_is_ahead_is_whom_adding_up_finds(its):
    leads = leaders(its)
    ahead = simulated(its, 200)
    for place, (start, name) in enumerate(leads):
        end = leads[place + 1][0] if place + 1 < len(leads) else 201
        assert ahead[start - 1 : end - 1] == [name] * (end - start)
    assert leads[0][0] == 1


def test_the_sentence_names_the_crossings():
    assert in_words([(1, "jax")], "epoch") == "jax is ahead from the first epoch on."
    assert in_words([(1, "a"), (8, "b")], "epoch") == "At first a is ahead, from epoch 8 on b."
