"""Sub-commands of ``flag-gems``: one module each, found by ``flag_gems.cli``."""
