"""Each fault alone, with nothing known to be in flight and with a batch in flight: nothing is lost,
nothing doubled, and the service is as before."""

import pytest

from strike import FAULTS, IN_FLIGHT


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_or_doubled_when(strikes, name):
    where = IN_FLIGHT[1 + list(FAULTS).index(name) % 2]
    strikes.strike(name, where)
    strikes.audit_everything()
