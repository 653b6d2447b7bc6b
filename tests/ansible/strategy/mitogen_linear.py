"""Ansible's linear strategy over Mitogen: a task costs the machine less than half.

Mitogen's own file lies in a folder that has the version of Python in its name; Ansible finds this one.
"""

from ansible_mitogen.plugins.strategy.mitogen_linear import StrategyModule

__all__ = ["StrategyModule"]
