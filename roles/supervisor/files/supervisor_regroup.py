"""Bring supervisor in line with its files, touching only the programs that changed.

`supervisorctl update` restarts every program of a group as soon as one is added, changed or taken away. supervisord
loads this module as an RPC interface that replaces single programs of a group; run as a command, with the names of
groups, it does the whole update of these and prints one line for each program or group that it touched.
"""

import sys
import time
from collections.abc import Collection
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.options import ProcessGroupConfig
from supervisor.states import STOPPED_STATES
from supervisor.supervisord import Supervisor
from supervisor.xmlrpc import Faults, RPCError, SupervisorTransport

SOCKET = "unix:///run/supervisor.sock"


class Regroup:
    """Replaces programs of a running group by what the files, as last read, say of them."""

    def __init__(self, supervisord: Supervisor) -> None:
        self._supervisord = supervisord

    def outdated(self, group_name: str) -> list[str]:
        """Names of the group's running programs that the files say nothing of any more, or something else."""
        wanted = {config.name: config for config in self._wanted(group_name).process_configs}
        running = self._supervisord.process_groups[group_name].processes
        return [name for name, process in running.items() if process.config != wanted.get(name)]

    def replace(self, group_name: str) -> list[str]:
        """Forget outdated programs, which must be stopped, and start those that are new; return the latter's names."""
        group = self._supervisord.process_groups[group_name]
        outdated = self.outdated(group_name)
        if any(group.processes[name].get_state() not in STOPPED_STATES for name in outdated):
            raise RPCError(Faults.STILL_RUNNING, group_name)
        for name in outdated:
            del group.processes[name]
        group.config = self._wanted(group_name)
        group.config.after_setuid()
        new = [config for config in group.config.process_configs if config.name not in group.processes]
        # The main loop starts a program that never ran.
        group.processes.update({config.name: config.make_process(group) for config in new})
        return [config.name for config in new]

    def _wanted(self, group_name: str) -> ProcessGroupConfig:
        for config in self._supervisord.options.process_group_configs:
            if config.name == group_name and group_name in self._supervisord.process_groups:
                return config
        raise RPCError(Faults.BAD_NAME, group_name)


def make_rpcinterface(supervisord: Supervisor) -> Regroup:
    """Serve as factory to supervisord, which finds this name in its configuration."""
    return Regroup(supervisord)


def update(server: Any, groups: Collection[str]) -> list[str]:
    """Bring the programs of some groups in line with the files; return a line for each that was touched.

    Parameters
    ----------
    server
        XML-RPC proxy of supervisord.
    groups
        Names of the groups; others are left as they are.
    """
    touched = []
    [differing] = server.supervisor.reloadConfig()
    added, changed, removed = ([name for name in names if name in groups] for names in differing)
    for group in removed:
        server.supervisor.stopProcessGroup(group)
        server.supervisor.removeProcessGroup(group)
        touched.append(f"{group}: removed")
    # All at once: after an upgrade, each second counts once and not for every program.
    outdated = [f"{group}:{name}" for group in changed for name in server.regroup.outdated(group)]
    for name in outdated:
        try:
            wait = False
            server.supervisor.stopProcess(name, wait)
        except Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise
        touched.append(f"{name}: stopped")
    # Supervisord kills what does not stop in time.
    while any(server.supervisor.getProcessInfo(name)["state"] not in STOPPED_STATES for name in outdated):
        time.sleep(0.05)
    for group in changed:
        touched += [f"{group}:{name}: started" for name in server.regroup.replace(group)]
    for group in added:
        server.supervisor.addProcessGroup(group)
        touched.append(f"{group}: added")
    for program in server.supervisor.getAllProcessInfo():
        # One that never ran is new, and supervisord starts it.
        if program["group"] in groups and program["state"] in STOPPED_STATES and program["start"]:
            name = f"{program['group']}:{program['name']}"
            wait = False
            server.supervisor.startProcess(name, wait)
            touched.append(f"{name}: started")
    return touched


def main() -> None:
    """Do the update through supervisord's socket."""
    transport = SupervisorTransport(None, None, SOCKET)
    server = ServerProxy("http://127.0.0.1", transport)
    sys.stdout.writelines(f"{line}\n" for line in update(server, sys.argv[1:]))


if __name__ == "__main__":
    main()
