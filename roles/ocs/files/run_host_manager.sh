#!/bin/sh
# Runs OCS's HostManager, given as arguments, as one program of supervisor. Whichever of the two ends, and however, the other
# ends, and so do the agents that HostManager has started: those it starts next find no agent of their name.
trap : TERM
setpriv --pdeathsig TERM -- "$@" &
manager=$!
# A signal ends `wait`, not HostManager, which first stops its agents.
while kill -0 "$manager" 2>/dev/null; do
  wait "$manager"
  status=$?
done
trap '' TERM
kill -s TERM 0
exit "$status"
