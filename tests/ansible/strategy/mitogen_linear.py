"""Ansible's linear strategy over Mitogen: a task costs the machine less than half.

Mitogen's own file lies in a folder that has the version of Python in its name; Ansible finds this one.
"""

import ansible.collections.list
from ansible_mitogen.plugins.strategy.mitogen_linear import StrategyModule

__all__ = ["StrategyModule"]

# Each task of a collection's module would have its process read what all collections say of themselves. The controller
# does so once, and they inherit it.
list(ansible.collections.list.list_collection_dirs())
