"""What the tests of the engine share."""

import numpy as np
import pytest

from shiftlif.runtime import require_equal, unavailable

needs_engine = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


def require_same(engine, x, expected, steps=None):
    """Letters, membranes, answers and the state of a recorded result of the interpreter."""
    require_equal(engine, x, expected, steps)
    found = engine.run(x, steps)
    assert (found.predictions == expected.predictions).all()
    require_same_state(found.state, expected.state)


def require_same_state(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)
