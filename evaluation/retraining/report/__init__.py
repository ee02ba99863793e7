"""What the records say: docs/EVIDENCE.md, and the figures that are quoted beside answers.

`evidence` brings together what is committed. A file a figure (`effects`, `leads`, `lds`, `contrasts`,
`proof_lines`, `objects`) and a file a section, which `sections` lists and `document` writes.
"""
