"""What a person runs besides the stages.

`commands` lists them; each command is the module of its name. Read forecaster, then predict.
Imports all other rooms.
"""
