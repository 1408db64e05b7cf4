"""From a zip, a URL or the simulator to typed readings: the stages fetch and parse.

Read source, then parse. archive opens a zip, uci and delimited read its text, merge joins the files
of a meter, quality describes the result. Imports core.
"""
