"""A stage that processes call for a body."""

from errands import work

import stagecache


@stagecache.stage(ttl="1h", tags=("fx",))
def rates(number):
    return work.read(number)
