"""What a person runs besides the stages: predict, watch, search, provenance, repair and run.

Read forecaster, then predict. Each command is `python -m household <command>`. Imports all other
rooms.
"""
