"""What turns say together: order cancels, a burst does not move what is typical, and no slow step is forgotten."""

from math import exp, inf, log

import numpy as np
import pytest

from pytest_duet.trials.blocks import Block, order_effect, total, typical
from pytest_duet.trials.pairs import Taken, blocks_of
from pytest_duet.trials.turns import Turn


def block(new, old, first_pays=1.0):
    return Block(new * first_pays, old, new, old * first_pays)


def test_what_going_first_costs_cancels_in_a_block_and_is_told():
    assert block(1.1, 1.0, first_pays=1.5).shift == pytest.approx(log(1.1))
    assert block(1.1, 1.0, first_pays=1.5).order_effect == pytest.approx(log(1.5))
    assert order_effect([block(1.1, 1.0, 1.5), block(1.1, 1.0)]) == pytest.approx(log(1.5) / 2)


def test_one_burst_does_not_move_what_is_typical():
    calm = [block(1.0, 1.0)] * 39
    blocks = [*calm[:20], block(50.0, 1.0), *calm[20:]]
    assert typical(blocks).ratio == 1.0
    assert total(blocks).ratio > 2


def test_a_slow_step_now_and_then_is_in_the_total():
    """Every fiftieth step takes six times as long: 10 % more time, in turns of 8 steps."""
    for offset in range(50):
        blocks = []
        for start in range(0, 800, 16):
            turns = [range(start, start + 8), range(start + 8, start + 16)]
            new = [sum(6 if (step + offset) % 50 == 0 else 1 for step in turn) for turn in turns]
            blocks.append(Block(new[0], 8, new[1], 8))
        assert total(blocks).ratio == pytest.approx(1.1)


@pytest.mark.parametrize("count", range(1, 25))
def test_few_blocks_have_a_ratio_too(count):
    for figure in (total, typical):
        found = figure([block(exp(0.1), 1.0)] * count)
        assert found.shift == pytest.approx(0.1)
        assert found.error == (inf if count == 1 else pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize("figure", [total, typical])
@pytest.mark.parametrize("count", [16, 40])
def test_the_standard_error_is_that_of_repeated_trials(figure, count):
    rng = np.random.default_rng(4)
    trials = [
        figure([Block(*each) for each in np.exp(0.05 * rng.standard_normal((count, 4))).tolist()]) for _ in range(1000)
    ]
    real = np.std([trial.shift for trial in trials])
    assert np.mean([trial.error for trial in trials]) == pytest.approx(real, rel=0.15)


def test_a_block_is_told_by_who_led_each_turn():
    def taken(block, new_first, new, old):
        return Taken(Turn(3, 0, 8, new_first, block), new, old)

    first, second = taken(0, False, 3.0, 2.0), taken(0, True, 5.0, 7.0)
    whole = (Block(new_leading=5.0, old_trailing=7.0, new_trailing=3.0, old_leading=2.0),)
    assert blocks_of([first, second]) == blocks_of([second, first]) == whole
    assert blocks_of([first, taken(1, True, 1.0, 1.0)]) == (), "half a block says nothing"
    assert blocks_of([first, second, taken(None, True, 9.0, 9.0)]) == whole, "nor does the rest of a round"
