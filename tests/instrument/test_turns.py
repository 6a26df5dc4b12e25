"""How turns lie: neighbours in both orders, and every part of a round met by both sides in both."""

from itertools import pairwise
from math import inf

import pytest

from pytest_duet.trials.turns import WARM_ROUNDS, WARM_TURNS, WHOLE_ROUNDS, cut_into_turns, schedule

ROUNDS = WARM_ROUNDS + 4


@pytest.mark.parametrize("steps", [1, 2, 3, 16, 20, 40, 469])
@pytest.mark.parametrize("step_seconds", [0.0, 1e-6, 0.004, 0.07, 3.0])
@pytest.mark.parametrize("ragged", [0, 1])
def test_turns_cut_a_round_without_gap_or_overlap(steps, step_seconds, ragged):
    cut = cut_into_turns(steps + ragged, steps, 0.1, step_seconds)
    assert cut.parts[0][0] == 0 and cut.parts[-1][1] is None, "a round's end is looked at more closely"
    assert all(stop == first for (_, stop), (first, _) in pairwise(cut.parts))
    if cut != WHOLE_ROUNDS:
        assert len(cut.turns) % 2 == 0
        ends = [steps if stop is None else stop for _, stop in cut.turns]
        assert len({stop - first for (first, _), stop in zip(cut.turns, ends)}) == 1, "of one length"
        assert ends[-1] <= steps, "a ragged last step is like no other"
        assert (cut.rest is None) == (ends[-1] == steps + ragged)


def test_an_endless_turn_is_a_whole_round():
    assert cut_into_turns(469, 468, inf, 0.01) == WHOLE_ROUNDS


@pytest.mark.parametrize("steps", [2, 6, 8, 40, 469])
@pytest.mark.parametrize("trial", [1, 2, 3, 4])
def test_neighbouring_turns_are_a_block_of_both_orders_over_consecutive_steps(steps, trial):
    cut = cut_into_turns(steps + 1, steps, 0.1, 0.02)
    rounds = list(schedule(cut, ROUNDS, trial))
    all_warm = len(cut.turns) <= WARM_TURNS
    assert [turns[0].number for turns in rounds] == list(range(WARM_ROUNDS + all_warm, ROUNDS + 1))
    compared = [turn for turns in rounds for turn in turns if turn.block is not None]
    for one, other in zip(compared[::2], compared[1::2]):
        assert one.block == other.block
        assert one.new_first != other.new_first
        assert (one.number, one.stop) == (other.number, other.first)


@pytest.mark.parametrize("trial", [1, 2, 3, 4])
@pytest.mark.parametrize("steps", [6, 8, 16, 40])
def test_every_part_of_a_round_is_met_in_both_orders(trial, steps):
    """In an even number of turns a round, as well as in an odd one."""
    orders = {}
    for turns in schedule(cut_into_turns(steps, steps, 0.1, 0.05), ROUNDS, trial):
        for turn in turns:
            orders.setdefault(turn.first, []).append(turn.new_first)
    assert all(abs(sum(met) - len(met) / 2) <= 0.5 for met in orders.values())
    assert all(set(met) == {True, False} for met in orders.values())


@pytest.mark.parametrize("steps", [1, 2, 3, 6, 40, 469])
def test_warm_up_and_turns_are_the_second_round_without_gap_or_overlap(steps):
    cut = cut_into_turns(steps, steps, 0.1, 0.02)
    taken = [
        (turn.first, turn.stop) for turns in schedule(cut, ROUNDS, 1) for turn in turns if turn.number == WARM_ROUNDS
    ]
    assert (*cut.warm, *taken) == cut.parts


def test_whole_rounds_are_blocks_too():
    turns = [turn for turns in schedule(WHOLE_ROUNDS, WARM_ROUNDS + 4, 1) for turn in turns]
    assert [turn.block for turn in turns] == [0, 0, 1, 1]
    assert [turn.new_first for turn in turns] in ([True, False, False, True], [False, True, True, False])


def test_who_goes_first_is_crossed_with_who_starts_first():
    starts_and_leads = {(trial % 2, next(schedule(WHOLE_ROUNDS, ROUNDS, trial))[0].new_first) for trial in range(1, 5)}
    assert len(starts_and_leads) == 4
