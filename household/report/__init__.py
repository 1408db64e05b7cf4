"""What a person looks at: tables, plots, the report and the model card: the stage plot.

Read results and tables, then plots, facts and verdict. page builds the template of `dvc plots
show`. Imports core and evaluation.
"""
