"""Engines: one definition of a hit, counted on the CPU by numba or on any device by torch.

The contract: given rows, their coordinates and a frame, an engine adds into the arrays of a
`ppp.Tally`, keeps exactly the samples that the rule keeps, and bins exactly where the rule says.
"""
