"""The tables' history; each step is a file in ``versions``, applied in order by ``migrate``."""
