"""Each fault alone, without and with a batch in flight. No hit is lost or counted twice, and the service
recovers."""

import pytest

from strike import FAULTS, IN_FLIGHT


@pytest.mark.parametrize("name", FAULTS)
def test_every_hit_is_counted_once_when(strikes, name):
    where = IN_FLIGHT[1 + list(FAULTS).index(name) % 2]
    strikes.strike(name, where)
    strikes.audit_everything()
