"""What every stage stands on: settings, files, columns, errors, and work in parallel.

Read params, paths and stage first. files and arrow read and write data, schema names its columns,
store keeps the parsed readings, meters and parallel map over meters. No other room is imported.
"""
