"""How complete each quantity is by itself, for tests that ask for one."""

from lentera_cloud.domain.completeness import Completeness, HourFacts, groups_of


def hour_of(facts: HourFacts) -> dict[str, Completeness]:
    """Return the quantities of an hour one by one."""
    return {name: one for names, one in groups_of(facts) for name in names}
