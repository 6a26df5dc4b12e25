"""The quantiles that verdicts rest on are those of the textbook, as SciPy's own distributions have them."""

import pytest
from scipy import stats

from pytest_duet.judge import quantiles

TAILS = (1e-6, 0.001, 0.025, 0.05, 0.2, 0.5, 0.8, 0.99)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("degrees", [1, 2, 3.5, 7, 30, 1000])
def test_quantiles_are_scipy_s(tail, degrees):
    assert quantiles.students_t(tail, degrees) == pytest.approx(stats.t.isf(tail, degrees), rel=1e-9, abs=1e-12)
    assert quantiles.fishers_f(tail, degrees, 9) == pytest.approx(stats.f.isf(tail, degrees, 9), rel=1e-9)
    assert quantiles.beta(tail, 3, degrees) == pytest.approx(stats.beta.isf(tail, 3, degrees), rel=1e-9)
    assert quantiles.normal(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-9, abs=1e-12)
